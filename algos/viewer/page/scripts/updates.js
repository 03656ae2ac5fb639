// One question over the updates of a training: a small timeline, the verdict and the cost after each.
const Updates = (() => {
  const WIDE = 300; // units of the small timeline
  const HIGH = 22;
  const known = (value) => value !== undefined && value !== null && value !== "";

  // The entries that are updates, by training and by what was played: [[entry, …], …], each in the
  // order of its updates. Keys of one kind differ in their number alone: `validated-4`, `learned-4`.
  function series() {
    const found = new Map();
    for (const entry of Data.run.entries || []) {
      if (!known(entry.update)) continue;
      const kind = JSON.stringify([(entry.told && entry.told.run) || "", entry.key.replace(/[0-9]+$/, "")]);
      if (!found.has(kind)) found.set(kind, []);
      found.get(kind).push(entry);
    }
    return [...found.values()].map((entries) => entries.sort((a, b) => a.update - b.update));
  }

  // The update that one is compared with: that before it, or after it for the first; null for none.
  function neighbour(entries, k) {
    return entries[k - 1] || entries[k + 1] || null;
  }

  function compareLink(id, entries, k) {
    const other = neighbour(entries, k);
    return other && State.link({ view: "compare", q: id, e: entries[k].key, f: other.key, turn: "", t: "", w: "" });
  }

  const name = (entry) => (entry.update === 0 ? "before training" : `after update ${entry.update}`);

  // Return the strip of a question, or null where no update has an episode of it.
  function strip(question) {
    const lists = [];
    for (const entries of series()) {
      const played = entries
        .map((entry) => [entry, (question.episodes || []).find((one) => one.entry === entry.key)])
        .filter(([, episode]) => episode);
      const own = played.map(([entry]) => entry);
      const items = played.map(([, episode], k) => item(question, episode, own, k));
      if (items.length) lists.push(Dom.h("ol", { class: "up-strip" }, ...items));
    }
    if (!lists.length) return null;
    return Dom.h("section", { class: "updates", "aria-label": "Over the updates" },
      Dom.h("h3", {}, "This question over the updates"), ...lists);
  }

  function item(question, episode, entries, k) {
    const entry = entries[k];
    const words = facts(episode);
    const href = compareLink(question.id, entries, k);
    const other = neighbour(entries, k);
    const label = other ? `Compare with ${name(other)}` : "";
    const parts = [
      Dom.h("span", { class: "up-name" }, name(entry)),
      small(question, episode, `${name(entry)}: ${words.join(", ")}`),
      Dom.h("span", { class: "up-facts" }, words.join(" · ")),
    ];
    if (href) parts.push(Dom.h("a", { href, "aria-label": `${label} (${name(entry)})` }, label));
    return Dom.h("li", { class: changed(question, episode, entries, k) ? "changed" : "" }, ...parts);
  }

  // Whether the verdict is another than after the update before.
  function changed(question, episode, entries, k) {
    const before = k && question.episodes.find((one) => one.entry === entries[k - 1].key);
    return Boolean(before) && before.verdict !== episode.verdict;
  }

  function facts(episode) {
    const steps = episode.steps || [];
    const row = episode.row || {};
    const turns = known(row.turns) ? row.turns : steps.filter((step) => step.turn > 0).length;
    const shown = steps.reduce((sum, step) => sum + (step.frames || []).length, 0);
    const frames = known(row.frames) ? row.frames : shown;
    const reward = CompareParts.total(steps, "reward");
    return [
      Verdict.words(episode).text,
      `${turns} turn${turns === 1 ? "" : "s"}`,
      `${frames} frame${frames === 1 ? "" : "s"}`,
      known(episode.prediction) ? episode.prediction : "no answer",
      ...(reward === null ? [] : [`reward ${Dom.number(reward, 2)}`]),
    ];
  }

  // A timeline as small as a line of text: evidence, what was looked at, frames as dots.
  function small(question, episode, label) {
    const duration = durationOf(question, episode);
    const place = (second) => (WIDE * Math.min(Math.max(second, 0), duration)) / duration;
    const bar = (kind, [start, end], y, height) => Dom.svg("rect", {
      class: kind, x: place(start), width: Math.max(1, place(end) - place(start)), y, height,
    });
    const marks = (question.evidence || []).map((span) => bar("up-evidence", span, 0, HIGH));
    const dots = [];
    for (const step of episode.steps || []) {
      if (step.span && ["sample", "zoom", "skip"].includes(step.action)) {
        marks.push(step.action === "skip" ? bar("up-skip", step.span, HIGH / 2 - 1, 2) : bar(`up-${step.action}`, step.span, 4, HIGH - 8));
      }
      const y = step.turn > 0 ? HIGH / 2 : HIGH - 3;
      for (const [second] of step.frames || []) dots.push(`M${place(second).toFixed(1)} ${y}h.01`);
    }
    if (dots.length) marks.push(Dom.svg("path", { class: "up-dots", d: dots.join("") }));
    const line = Dom.svg("path", { class: "up-spine", d: `M0 ${HIGH - 0.5}H${WIDE}` });
    return Dom.svg("svg", {
      class: "up-small", viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": label,
    }, line, ...marks);
  }

  function durationOf(question, episode) {
    if (question.duration > 0) return question.duration;
    const ends = (episode.steps || []).flatMap((step) => [...(step.span || []), ...(step.frames || []).map(([second]) => second)]);
    return Math.max(1, ...ends);
  }

  // Whether one question was played after more than one of these updates.
  function again(entries) {
    const keys = new Set(entries.map((entry) => entry.key));
    const seen = new Set();
    for (let i = 0; i < Data.rows.count; i++) {
      if (!keys.has(Data.rows.get("entry", i))) continue;
      const id = Data.rows.get("id", i);
      if (seen.has(id)) return true;
      seen.add(id);
    }
    return false;
  }

  // Every question after every update, or null for a run without updates.
  function overview() {
    const found = series().filter((entries) => entries.length > 1 && again(entries));
    if (!found.length) return null;
    const box = Dom.h("section", { class: "updates", "aria-label": "Questions over the updates" },
      Dom.h("h3", {}, "All validation questions over the updates"));
    for (const entries of found) {
      const { element } = HeatStrip.create(entries, {
        link: (id, k) => compareLink(id, entries, k),
        name,
      });
      box.append(element);
    }
    return box;
  }

  return { strip, overview };
})();
