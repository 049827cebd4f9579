// What is folded is printed too.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));

// A box that scrolls sideways can be reached by keyboard.
for (const box of document.querySelectorAll(".table-wrapper, .cell_output .output, pre")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
