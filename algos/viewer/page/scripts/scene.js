// What lies behind and above the lanes: ticks and clock, evidence, cuts, and who speaks when.
const Scene = (() => {
  const fixed = (x) => String(Math.round(x * 100) / 100);
  const SPEECH_HIGH = 16;
  const BIN = 3; // pixels of one bar of the speech
  let made = 0;

  // Patterns of one axis under ids of its own: two axes can be on a page.
  function patterns() {
    made += 1;
    const [hatch, pattern] = [`tl-hatch-${made}`, `tl-pattern-${made}`];
    const lines = (id, name, turn, apart) =>
      Dom.svg("pattern", { id, width: apart, height: apart, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turn})` },
        Dom.svg("rect", { class: `${name}-ground`, width: apart, height: apart }),
        Dom.svg("path", { class: name, d: `M0 0V${apart}` }));
    const defs = Dom.svg("defs", {}, lines(hatch, "tl-hatching", 45, 6), lines(pattern, "tl-evidence-lines", -45, 9));
    return { hatch, pattern, defs };
  }

  // Bands of evidence over the whole height, and a faint line at every tick.
  function back(view, high) {
    const { window, width } = view;
    const marks = [];
    for (const second of Axis.ticks(window, width).seconds) {
      marks.push(Dom.svg("path", { class: "tl-grid", d: `M${fixed(Axis.place(second, window, width))} 0V${high}` }));
    }
    for (const span of Looks.evidence(view.question)) {
      const found = Axis.drawn(span, window, width);
      if (!found) continue;
      const [x, wide] = found;
      marks.push(Dom.svg("rect", { class: "tl-evidence", x: fixed(x), y: 18, width: fixed(wide), height: Math.max(high - 18, 0), fill: `url(#${view.pattern})` }));
    }
    return marks;
  }

  // Labels of the ticks, and the ends of the video.
  function clockRow(view) {
    const { window, width } = view;
    const { seconds, decimals } = Axis.ticks(window, width);
    const marks = [Dom.svg("path", { class: "tl-spine", d: `M0 19.5H${width}` })];
    for (const second of seconds) {
      const x = Axis.place(second, window, width);
      const anchor = x < 20 ? "start" : x > width - 24 ? "end" : "middle";
      const shown = Math.min(Math.max(x, 0), width);
      marks.push(
        Dom.svg("path", { class: "tl-tick", d: `M${fixed(x)} 15V20` }),
        Dom.svg("text", { class: "tl-clock", x: fixed(shown), y: 12, "text-anchor": anchor }, Axis.clock(second, decimals)),
      );
    }
    return marks;
  }

  // Cuts as ticks, speech as bars: their height is the share of those seconds in which one speaks.
  function soundRow(view) {
    const { window, width, question } = view;
    const marks = [];
    const bars = speechBars(question.speech || [], window, width);
    if (bars) marks.push(Dom.svg("path", { class: "tl-speech-bars", d: bars }));
    const cuts = Axis.thinned(sortedCuts(question), window, width);
    if (cuts.length) {
      const d = cuts.map((x) => `M${fixed(x)} 6l3-5h-6z`).join("");
      marks.push(Dom.svg("path", { class: "tl-cuts", d }));
    }
    return marks;
  }

  function speechBars(speech, window, width) {
    const bins = new Float64Array(Math.max(Math.ceil(width / BIN), 1));
    for (const [start, end] of speech) {
      const x0 = Math.max(Axis.place(start, window, width), 0) / BIN;
      const x1 = Math.min(Math.max(Axis.place(end, window, width), x0 * BIN + 1), width) / BIN;
      for (let k = Math.floor(x0); k < x1 && k < bins.length; k += 1) {
        bins[k] += Math.min(x1, k + 1) - Math.max(x0, k);
      }
    }
    let d = "";
    bins.forEach((share, k) => {
      if (share <= 0) return;
      const high = Math.max(Math.min(share, 1) * (SPEECH_HIGH - 6), 2);
      d += `M${k * BIN} ${SPEECH_HIGH}v${fixed(-high)}h${BIN}v${fixed(high)}z`;
    });
    return d;
  }

  const cutsOf = new WeakMap();

  function sortedCuts(question) {
    if (!cutsOf.has(question)) cutsOf.set(question, [...(question.cuts || [])].sort((a, b) => a - b));
    return cutsOf.get(question);
  }

  // The line that is spoken at a second; null in silence.
  function speechAt(question, second) {
    return (question.speech || []).find(([start, end]) => start <= second && second < end) || null;
  }

  // The next line of speech after a second, or the one before it.
  function speechFrom(question, second, forward) {
    const lines = question.speech || [];
    if (forward) return lines.find(([start]) => start > second + 1e-6) || null;
    return [...lines].reverse().find(([start]) => start < second - 1e-6) || null;
  }

  // What the axis shows beside the lanes, in words.
  function words(question, duration) {
    const parts = [`Video of ${Dom.clock(duration)}.`];
    const spans = Looks.evidence(question);
    if (spans.length) parts.push(`Evidence: ${spans.map(Looks.spanWords).join(", ")}.`);
    if ((question.cuts || []).length) parts.push(`${Looks.countWords(question.cuts.length, "cut")}.`);
    if ((question.speech || []).length) {
      parts.push(`${Looks.countWords(question.speech.length, "line")} of speech.`);
    }
    return parts.join(" ");
  }

  return { SPEECH_HIGH, patterns, back, clockRow, soundRow, speechAt, speechFrom, words };
})();
