// Sorts and filters the table of all cases. The rows stand in the page as data; 50 of them are drawn at a time.
"use strict";
const data = document.getElementById("case-data");
if (data) {
  const rows = JSON.parse(data.textContent);
  const table = document.getElementById("case-table");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const find = document.getElementById("case-find");
  const label = document.getElementById("case-label");
  const apart = document.getElementById("case-apart");
  const more = document.getElementById("case-more");
  const said = document.getElementById("case-count");
  const STEP = 50;
  const column = (name) => heads.findIndex((head) => head.dataset.name === name);
  const given = column("Given label");
  const others = [column("Label model"), column("Student")].filter((at) => at >= 0);
  let chosen = rows;
  let shown = STEP;

  function draw() {
    body.replaceChildren(...chosen.slice(0, shown).map((row) => {
      const line = document.createElement("tr");
      row.forEach((value, at) => {
        const cell = document.createElement(at === 0 ? "th" : "td");
        if (at === 0) cell.scope = "row";
        cell.textContent = value === null ? "" : typeof value === "number" ? value.toFixed(3) : value;
        cell.className = heads[at].className;
        line.append(cell);
      });
      return line;
    }));
    more.hidden = shown >= chosen.length;
    said.textContent = `${chosen.length} of ${rows.length} cases` + (more.hidden ? "" : `, the first ${shown} shown`);
  }

  function choose() {
    const words = find.value.trim().toLowerCase();
    chosen = rows.filter((row) =>
      (!words || row.some((value) => typeof value === "string" && value.toLowerCase().includes(words))) &&
      (!label.value || String(row[given]) === label.value) &&
      (!apart.checked || others.some((at) => row[given] !== null && row[at] !== null && row[at] !== row[given])));
    shown = STEP;
    sort();
  }

  function sort() {
    const at = heads.findIndex((head) => head.ariaSort === "ascending" || head.ariaSort === "descending");
    if (at >= 0) {
      const sign = heads[at].ariaSort === "ascending" ? 1 : -1;
      const rank = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
      // Empty cells stand last in either order.
      chosen = [...chosen].sort((a, b) =>
        a[at] === null || b[at] === null ? (a[at] === null) - (b[at] === null) : sign * rank(a[at], b[at]));
    }
    draw();
  }

  heads.forEach((head) => head.querySelector("button").addEventListener("click", () => {
    const next = head.ariaSort === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => { other.ariaSort = "none"; });
    head.ariaSort = next;
    sort();
  }));
  find.addEventListener("input", choose);
  label.addEventListener("change", choose);
  apart.addEventListener("change", choose);
  more.addEventListener("click", () => { shown += 4 * STEP; draw(); });
  draw();
}
