// Prediction sets and answers, as labelppl.calibration computes them.
const FLOOR = 1e-12;

function scores(probs, sets) {
  if (sets.score === "label") return probs.map((p) => 1 - p);
  const order = probs.map((_, k) => k).sort((a, b) => probs[b] - probs[a] || a - b);
  const out = new Array(probs.length);
  let before = 0;
  order.forEach((k, rank) => {
    out[k] = before + probs[k] + sets.penalty * Math.max(rank + 1 - sets.free, 0);
    before += probs[k];
  });
  return out;
}

export function predictionSet(notes, probs) {
  const score = scores(probs, notes.sets);
  const best = probs.indexOf(Math.max(...probs));
  return notes.classes.filter((_, k) => k === best || notes.sets.limit[k] === null || score[k] <= notes.sets.limit[k]);
}

export function answered(notes, probs) {
  const { kind, exponent, threshold } = notes.confidence;
  let value = Math.max(...probs);
  if (kind === "normalised") {
    const logs = probs.map((p) => Math.log(Math.max(p, FLOOR)));
    const mean = logs.reduce((a, b) => a + b, 0) / logs.length;
    const centred = logs.map((l) => l - mean);
    const norm = centred.reduce((sum, z) => sum + Math.abs(z) ** exponent, 0) ** (1 / exponent);
    value = norm > 0 ? Math.max(...centred) / norm : 0;
  }
  return value >= threshold;
}
