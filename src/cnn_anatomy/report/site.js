// Sorts tables, lets a narrow screen show rows as cards, and filters the ledger.
"use strict";
function dressTable(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  table.setAttribute("role", "table");  // which a row shown as a card would lose
  for (const row of table.rows) row.setAttribute("role", "row");
  heads.forEach((head, i) => {
    const name = head.textContent.trim();
    head.setAttribute("role", "columnheader");
    for (const row of body.rows) {
      row.cells[i].setAttribute("role", "cell");
      row.cells[i].dataset.head = name;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortRows(body, heads, i));
  });
}

function sortRows(body, heads, i) {
  const key = row => row.cells[i].dataset.value ?? row.cells[i].textContent.trim();
  const up = heads[i].getAttribute("aria-sort") !== "ascending";
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[i].setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...body.rows], known = rows.filter(row => key(row) !== "–");
  const compare = known.some(row => isNaN(key(row)))
    ? (a, b) => key(a).localeCompare(key(b), "en", { numeric: true })
    : (a, b) => key(a) - key(b);
  known.sort(compare);
  body.append(...(up ? known : known.reverse()), ...rows.filter(row => key(row) === "–"));
}

function filterLedger(form) {
  const { topic, verdict, setting, words } = Object.fromEntries(new FormData(form));
  let count = 0;
  for (const section of document.querySelectorAll("section[data-topic]")) {
    let left = 0;
    for (const row of section.querySelectorAll("tbody tr")) {
      const fits = (!topic || section.dataset.topic === topic)
        && (!verdict || row.dataset.verdict === verdict)
        && (!setting || row.dataset.setting === setting)
        && row.textContent.toLowerCase().includes(words.toLowerCase());
      row.hidden = !fits;
      left += fits;
    }
    section.hidden = !left;
    count += left;
  }
  document.getElementById("count").textContent = `${count} ${count === 1 ? "claim" : "claims"} shown`;
}

document.querySelectorAll("table.sortable").forEach(table => table.id || dressTable(table));
const filters = document.getElementById("filters");
if (filters) {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (filters.elements[name]) filters.elements[name].value = value;
  for (const kind of ["input", "change"]) filters.addEventListener(kind, () => {
    history.replaceState(null, "", `#${new URLSearchParams(new FormData(filters))}`);
    filterLedger(filters);
  });
  filters.addEventListener("submit", event => event.preventDefault());
  filterLedger(filters);
}
