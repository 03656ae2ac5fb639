// The sampled tokens of a turn as text, coloured by one of their numbers.
//
// Tokens.view(step.pieces, {measure, onMeasure}) -> element; measures are TokenView's lists. Colour
// is never alone: a line under each token is as thick as its colour is strong, and numbers can be
// shown under all of them. Text of the model only ever becomes text.
const Tokens = (() => {
  const CHUNK = 1000; // tokens that are made at once; more follow while the page stays usable
  const PAGE = 20; // tokens that PageUp and PageDown move over
  let numbered = false; // as the reader last had it, in whichever turn

  // options: `measure` is the key of what is shown first, where it is there; `onMeasure(key)`.
  function view(pieces, options = {}) {
    const measures = TokenScales.of(pieces);
    const wanted = measures.find(({ key }) => key === options.measure);
    const own = {
      pieces, measures, measure: wanted || measures[0] || null, active: 0, tokens: [],
      onMeasure: options.onMeasure || (() => {}), text: Array.isArray(pieces.text) ? pieces.text : [],
    };
    own.legend = Dom.h("ul", { class: "tokens-legend", "aria-label": "Colours" });
    own.about = Dom.h("p", { class: "tokens-about note" });
    own.summary = Dom.h("p", { class: "tokens-summary" });
    own.said = Dom.h("dl", { class: "tokens-said" });
    own.body = Dom.h("div", { class: "tokens-text", role: "listbox", "aria-label": "Tokens; arrow keys move" });
    own.element = Dom.h("div", { class: "tokens" }, bar(own), own.about, own.legend, own.summary, own.body, own.said);
    wire(own);
    grow(own, 0);
    colour(own);
    tell(own, null);
    return own.element;
  }

  // ---- what is shown

  function bar(own) {
    const buttons = own.measures.map((measure) =>
      Dom.h("button", { type: "button", "data-measure": measure.key, onclick: () => choose(own, measure) }, measure.title));
    own.buttons = buttons;
    const box = Dom.h("input", { type: "checkbox", onchange: () => number(own, box.checked) });
    box.checked = numbered;
    return Dom.h("div", { class: "tokens-bar", role: "group", "aria-label": "Colour the tokens by" },
      ...buttons, own.measures.length ? Dom.h("label", {}, box, " numbers") : null);
  }

  function choose(own, measure) {
    own.measure = measure;
    colour(own);
    own.onMeasure(measure.key);
  }

  function number(own, on) {
    numbered = on;
    colour(own);
  }

  function colour(own) {
    const { measure, pieces } = own;
    for (const one of own.buttons) one.setAttribute("aria-pressed", String(measure !== null && one.dataset.measure === measure.key));
    own.scale = measure && TokenScales.scale(measure, pieces[measure.key]);
    own.about.textContent = measure ? measure.about : "No number of these tokens is known.";
    own.element.classList.toggle("numbered", numbered && measure !== null);
    own.tokens.forEach((token, k) => paint(own, token, k));
    legend(own);
    summarise(own);
  }

  function paint(own, token, k) {
    const { measure, pieces } = own;
    const x = measure ? pieces[measure.key][k] : null;
    const parts = ["tok", measure ? TokenScales.className(own.scale.level(x)) : "level0"];
    if (masked(own, k)) parts.push("out");
    if (own.text[k] === "") parts.push(special(own, k) ? "special" : "part");
    token.className = parts.join(" ");
    if (measure && numbered) token.dataset.number = TokenScales.known(x) ? measure.words(x).replace(/ .*/, "") : "–";
    else delete token.dataset.number;
  }

  function legend(own) {
    const items = !own.scale ? [] : own.scale.labels.map(([level, text]) =>
      Dom.h("li", {}, Dom.h("span", { class: `tok ${TokenScales.className(level)}`, "aria-hidden": "true" }, "ab"), ` ${text}`));
    if (own.text.some((_, k) => masked(own, k))) {
      items.push(Dom.h("li", { class: "tokens-mask" }, Dom.h("span", { class: "tok level0 out", "aria-hidden": "true" }, "ab"), " not in the loss"));
    }
    own.legend.replaceChildren(...items);
    own.legend.hidden = !items.length;
  }

  const masked = (own, k) => Array.isArray(own.pieces.in_loss) && own.pieces.in_loss[k] === false;
  const special = (own, k) => Boolean(own.pieces.stop) && k === own.text.length - 1;

  // In words, for who sees no colours: how many, the extremes, and what is not trained on.
  function summarise(own) {
    const { measure, pieces, text } = own;
    const said = [`${text.length} ${text.length === 1 ? "token" : "tokens"}`];
    if (measure) {
      const found = pieces[measure.key].map((x, k) => [x, k]).filter(([x]) => TokenScales.known(x));
      const order = [...found].sort(([a], [b]) => a - b);
      const mean = found.reduce((sum, [x]) => sum + x, 0) / found.length;
      said.push(`${measure.title}: mean ${TokenScales.short(mean)}, least ${told(own, order[0])}, most ${told(own, order[order.length - 1])}`);
    }
    if (Array.isArray(pieces.in_loss)) {
      const out = pieces.in_loss.filter((one) => one === false).length;
      said.push(out === 0 ? "all in the loss" : out === text.length ? "none in the loss" : `${out} of them not in the loss`);
    }
    own.summary.textContent = `${said.join("; ")}.`;
  }

  const told = (own, [x, k]) => `${TokenScales.short(x)} at “${spelled(own, k)}” (token ${k + 1})`;

  // ---- text

  const BLANKS = new Map([[" ", "·"], ["\n", "↵"], ["\t", "⇥"]]);
  const hex = (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;

  // A token as it is seen: blanks, controls, and marks that would turn the writing round, as signs.
  function spelled(own, k) {
    const text = String(own.text[k]);
    if (text === "") return special(own, k) ? own.pieces.stop : "…";
    return text.replace(/[ \t\n]|\p{C}|\u2028|\u2029/gu, (c) => BLANKS.get(c) || hex(c));
  }

  function grow(own, first) {
    const part = document.createDocumentFragment();
    const last = Math.min(first + CHUNK, own.text.length);
    for (let k = first; k < last; k += 1) {
      const token = Dom.h("span", { role: "option" }, spelled(own, k));
      own.tokens.push(token);
      if (first > 0) paint(own, token, k);
      part.append(token);
      if (String(own.text[k]).includes("\n")) part.append(Dom.h("br", { role: "presentation" }));
    }
    own.body.append(part);
    if (first === 0 && own.tokens.length) own.tokens[0].setAttribute("tabindex", "0");
    if (last < own.text.length) setTimeout(() => grow(own, last), 0);
  }

  // ---- pointing

  function wire(own) {
    const place = (event) => {
      const token = event.target instanceof Element ? event.target.closest(".tok") : null;
      return token ? own.tokens.indexOf(token) : -1;
    };
    own.body.addEventListener("pointermove", (event) => {
      if (!event.movementX && !event.movementY) return; // the text moved below it, by a key
      if (place(event) >= 0) tell(own, place(event));
    });
    own.body.addEventListener("pointerleave", () => tell(own, own.body.contains(document.activeElement) ? own.active : null));
    own.body.addEventListener("click", (event) => place(event) >= 0 && move(own, place(event)));
    own.body.addEventListener("focusin", (event) => place(event) >= 0 && tell(own, place(event)));
    own.body.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const to = after(own, event.key);
      if (to === null) return;
      event.preventDefault();
      event.stopPropagation(); // outside, these keys mean other things
      move(own, to);
    });
  }

  function after(own, key) {
    const { active, tokens } = own;
    if (key === "ArrowRight") return active + 1;
    if (key === "ArrowLeft") return active - 1;
    if (key === "Home") return 0;
    if (key === "End") return tokens.length - 1;
    if (key === "PageDown") return active + PAGE;
    if (key === "PageUp") return active - PAGE;
    if (key === "ArrowDown") return line(own, 1);
    return key === "ArrowUp" ? line(own, -1) : null;
  }

  // The token above or below: the first of the next line that reaches as far to the right.
  function line(own, by) {
    const here = own.tokens[own.active];
    const place = (token) => token.offsetLeft + token.offsetWidth / 2;
    let best = own.active;
    let top = null;
    for (let k = own.active + by; k >= 0 && k < own.tokens.length; k += by) {
      const token = own.tokens[k];
      if (Math.abs(token.offsetTop - here.offsetTop) < 4) continue;
      if (top === null) top = token.offsetTop;
      if (Math.abs(token.offsetTop - top) >= 4) break;
      if (best === own.active || Math.abs(place(token) - place(here)) < Math.abs(place(own.tokens[best]) - place(here))) best = k;
    }
    return best;
  }

  function move(own, to) {
    const { tokens } = own;
    if (!tokens.length) return;
    const next = Math.min(Math.max(to, 0), tokens.length - 1);
    const old = tokens[own.active];
    old.removeAttribute("tabindex");
    old.removeAttribute("aria-selected");
    own.active = next;
    tokens[next].setAttribute("tabindex", "0");
    tokens[next].setAttribute("aria-selected", "true");
    tokens[next].setAttribute("aria-label", numbers(own, next).map((pair) => pair.join(" ")).join(", "));
    tokens[next].focus({ preventScroll: false });
    tell(own, next);
  }

  // All that is known of one token: [label, text], the token first.
  function numbers(own, k) {
    const all = TokenScales.of(own.pieces).map((measure) => {
      const x = own.pieces[measure.key][k];
      return [measure.title, TokenScales.known(x) ? measure.words(x) : "not known"];
    });
    const pairs = [[`token ${k + 1}`, own.text[k] === "" && !special(own, k) ? "part of a character" : spelled(own, k)], ...all];
    if (special(own, k)) pairs.push(["is", "the stop token"]);
    if (Array.isArray(own.pieces.in_loss)) pairs.push(["loss", masked(own, k) ? "not in it" : "in it"]);
    return pairs;
  }

  function tell(own, k) {
    const pairs = k === null ? [["token", "point at one, or move with the arrow keys"]] : numbers(own, k);
    own.said.replaceChildren(...pairs.map(([label, text]) => Dom.h("div", {}, Dom.h("dt", {}, label), Dom.h("dd", {}, text))));
  }

  return { view };
})();
