// What is folded is printed too, and pictures that no reader came near.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((fold) => (fold.open = true));
  document.querySelectorAll("img").forEach((picture) => (picture.loading = "eager"));
});

// A box that scrolls sideways can be reached by keyboard, and fades at the sides where it goes on.
const boxes = document.querySelectorAll(".table-wrapper, .cell_output .output, pre, div.math, .sight");

function show_sides(box) {
  const hidden = box.scrollWidth - box.clientWidth;
  if (hidden > 1) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
  box.classList.toggle("more-before", box.scrollLeft > 1);
  box.classList.toggle("more-after", box.scrollLeft < hidden - 1);
}

const watch = new ResizeObserver((seen) => seen.forEach(({ target }) => show_sides(target)));
for (const box of boxes) {
  box.addEventListener("scroll", () => show_sides(box), { passive: true });
  watch.observe(box);
}

// On a phone the contents lie over the page; they close when a reader has chosen.
for (const drawer of document.querySelectorAll(".sidebar-drawer, .toc-drawer")) {
  drawer.addEventListener("click", (event) => {
    if (event.target.closest("a")) document.querySelectorAll(".sidebar-toggle").forEach((box) => (box.checked = false));
  });
}
// A page that comes back from the browser's memory comes back with its contents closed.
addEventListener("pageshow", () => document.querySelectorAll(".sidebar-toggle").forEach((box) => (box.checked = false)));
