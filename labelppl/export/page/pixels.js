// Stored pixel values of an image file, as labelppl.images.decode gives them: nothing is stretched or colour-managed.
const PNG = [137, 80, 78, 71, 13, 10, 26, 10];

export async function readPixels(file, notes) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const header = pngHeader(bytes);
  const wide = header !== null && header.depth === 16;
  if (notes.depth === "uint16") {
    if (!wide) throw new Error("The model reads 16-bit images; here give a 16-bit greyscale PNG file.");
    return sixteenBits(bytes, header, notes.channels);
  }
  if (wide) throw new Error("The model reads 8-bit images; this one has 16 bits.");
  return eightBits(file, notes.channels);
}

async function eightBits(file, channels) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("This browser cannot read the file as an image. Give PNG, JPEG, BMP, GIF or WebP.");
  }
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const size = width * height;
  const values = new Uint8Array(channels * size);
  for (let i = 0; i < size; i++) {
    const [red, green, blue, opaque] = [rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2], rgba[4 * i + 3]];
    if (opaque !== 255) throw new Error("The image is transparent. Flatten it first.");
    if (channels === 1) {
      if (red !== green || red !== blue) throw new Error("The image is in colour; the model reads greyscale.");
      values[i] = red;
    } else {
      values[i] = red;
      values[size + i] = green;
      values[2 * size + i] = blue;
    }
  }
  return { values, channels, height, width };
}

// Width, height, bits, colour type and interlacing of a PNG file; null for another file.
function pngHeader(bytes) {
  if (bytes.length < 33 || PNG.some((value, i) => bytes[i] !== value)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { width: view.getUint32(16), height: view.getUint32(20), depth: bytes[24], colour: bytes[25], interlaced: bytes[28] };
}

// Browsers cut 16 bits to 8, so that a wide PNG file is read here: ISO/IEC 15948, greyscale, not interlaced.
async function sixteenBits(bytes, { width, height, colour, interlaced }, channels) {
  if (colour !== 0 || interlaced) throw new Error("Of 16-bit PNG files only plain greyscale is read here.");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (name === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const stride = 2 * width;
  if (raw.length !== height * (stride + 1)) throw new Error("The PNG file is damaged.");
  const rows = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) unfilter(raw, rows, y, stride);
  const size = width * height;
  const values = new Int32Array(channels * size);
  for (let i = 0; i < size; i++) {
    const value = 256 * rows[2 * i] + rows[2 * i + 1];
    for (let c = 0; c < channels; c++) values[c * size + i] = value;
  }
  return { values, channels, height, width };
}

function unfilter(raw, rows, y, stride) {
  const kind = raw[y * (stride + 1)];
  for (let x = 0; x < stride; x++) {
    const left = x >= 2 ? rows[y * stride + x - 2] : 0;
    const up = y > 0 ? rows[(y - 1) * stride + x] : 0;
    const corner = x >= 2 && y > 0 ? rows[(y - 1) * stride + x - 2] : 0;
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind];
    if (guess === undefined) throw new Error("The PNG file is damaged.");
    rows[y * stride + x] = raw[y * (stride + 1) + 1 + x] + guess;
  }
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
