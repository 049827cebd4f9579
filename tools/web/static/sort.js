// Tables of numbers are sorted by a click, or by Enter, on the head of a column.
const number = (cell) => parseFloat(cell.textContent.replace("−", "-").replace(/[^0-9.\-]+/, ""));

function sort(table, column, head) {
  const body = table.tBodies[0];
  const rising = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [a.cells[column], b.cells[column]];
    const order = number(x) - number(y) || x.textContent.localeCompare(y.textContent);
    return rising ? order : -order;
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll("article table.docutils")) {
  if (!table.tHead || !table.tBodies[0] || table.tBodies[0].rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    if (!button.textContent.trim()) return;
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, column, head));
  });
}
