// Elements without HTML: text of others only ever becomes text.
const Dom = (() => {
  const NOT_KNOWN = "–";

  // Events are functions under `onclick` and the like; `class`, `style` (text) and all others are
  // attributes; null, undefined and false leave one out, true sets it without a value.
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") element.addEventListener(name.replace(/^on/, "").toLowerCase(), value);
      else if (name === "style") element.style.cssText = value;
      else if (name === "dataset") Object.assign(element.dataset, value);
      else element.setAttribute(name === "className" ? "class" : name, value === true ? "" : String(value));
    }
    add(element, children);
    return element;
  }

  function add(element, children) {
    for (const child of children) {
      if (child === null || child === undefined || child === false) continue;
      if (Array.isArray(child)) add(element, child);
      else element.append(child instanceof Node ? child : String(child));
    }
  }

  // h("a", { href, onclick }, "text", [more]): an element of HTML.
  const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

  // svg("rect", { x, y }): an element of SVG.
  const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const isNumber = (x) => typeof x === "number" && Number.isFinite(x);

  // `M:SS.s`, or `H:MM:SS.s` from an hour on, as the environment writes times.
  function clock(seconds) {
    if (!isNumber(seconds)) return NOT_KNOWN;
    const tenths = Math.round(Math.abs(seconds) * 10);
    const two = (x) => String(x).padStart(2, "0");
    const rest = `${two(Math.floor((tenths % 600) / 10))}.${tenths % 10}`;
    const minutes = Math.floor(tenths / 600);
    const start = minutes >= 60 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}` : String(minutes);
    return `${seconds < 0 && tenths ? "−" : ""}${start}:${rest}`;
  }

  // At most so many digits after the point, no zeros at the end, thousands apart.
  function number(x, digits = 3) {
    if (!isNumber(x)) return NOT_KNOWN;
    if (x !== 0 && Math.abs(x) < 10 ** -digits / 2) return x.toExponential(1).replace("-", "−");
    return x.toLocaleString("en-US", { maximumFractionDigits: digits }).replace("-", "−");
  }

  // A share as percent, whole.
  const percent = (x) => (isNumber(x) ? `${Math.round(100 * x)} %` : NOT_KNOWN);

  return { h, svg, clock, number, percent };
})();
