// An explorer without a kernel: its slider, by mouse or by arrow keys, moves a strip of stored stills behind a window.
for (const strip of document.querySelectorAll("figure.strip")) {
  const [values, sentences] = JSON.parse(strip.dataset.stops);
  const [picture, slider, output, words] = ["img", "input", "output", ".words"].map((part) => strip.querySelector(part));
  const move = () => {
    const stop = Number(slider.value);
    picture.style.transform = `translateY(${(-100 * stop) / values.length}%)`;
    output.textContent = values[stop];
    words.textContent = sentences[stop];
    slider.setAttribute("aria-valuetext", values[stop]);
  };
  slider.addEventListener("input", move);
  const enlarge = strip.querySelector("button");
  enlarge.hidden = false;
  enlarge.addEventListener("click", () => {
    enlarge.textContent = strip.classList.toggle("large") ? "Smaller" : "Enlarge";
    strip.querySelector(".sight").dispatchEvent(new Event("scroll"));
  });
  move();
}
