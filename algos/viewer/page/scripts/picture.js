// Pictures of frames, cut out of the sheet of their question when they come into sight.
const Picture = (() => {
  const waiting = new WeakMap(); // canvas -> what it shows, until it is drawn
  const sight = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) fill(one.target);
  }, { rootMargin: "200px" });

  // A canvas with one cell of a sheet. `words` is its text alternative, "" for a decoration; `box`
  // is drawn on it; `widest` bounds its width on the screen, in pixels.
  function draw(question, cell, { words, box = null, widest = null }) {
    const [width, height] = question.cell || [64, 64];
    const canvas = Dom.h("canvas", { class: "picture", width: String(width), height: String(height) });
    if (words) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", words);
    } else canvas.setAttribute("aria-hidden", "true");
    if (widest) canvas.style.width = `${Math.min(widest, Math.max(width, 96))}px`;
    waiting.set(canvas, { question, cell, box });
    sight.observe(canvas);
    return canvas;
  }

  async function fill(canvas) {
    const wanted = waiting.get(canvas);
    sight.unobserve(canvas);
    if (!wanted) return;
    waiting.delete(canvas);
    try {
      paint(canvas, wanted, await Data.sheet(wanted.question));
    } catch (error) {
      canvas.classList.add("failed");
      canvas.title = "This picture could not be read.";
    }
  }

  function paint(canvas, { question, cell, box }, sheet) {
    const from = Data.picture(question, cell);
    const context = canvas.getContext("2d");
    canvas.width = from.width;
    canvas.height = from.height;
    context.drawImage(sheet, from.x, from.y, from.width, from.height, 0, 0, from.width, from.height);
    if (box) outline(context, box, from.width, from.height);
    canvas.classList.add("drawn");
  }

  // A light line in a dark one shows on every picture.
  function outline(context, [x0, y0, x1, y1], width, height) {
    const thick = Math.max(width / 64, 1);
    const edges = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height];
    for (const [colour, line] of [["#000", 3 * thick], ["#ffd400", thick]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(...edges);
    }
  }

  // Draw what is still waiting under an element, so that it can be printed.
  const fillAll = (element) => element.querySelectorAll("canvas.picture").forEach(fill);

  return { draw, fillAll };
})();
