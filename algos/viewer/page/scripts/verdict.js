// How an episode ended and what can be said about why, from what is at hand and nothing else.
//
// Verdict.view(question, episode) -> element; Verdict.words(episode) -> {name, text}
const Verdict = (() => {
  const known = (value) => value !== undefined && value !== null;

  function words(episode) {
    if (episode.error && !known(episode.verdict)) return { name: "none", text: "! failed on our side" };
    if (episode.verdict === true) return { name: "right", text: "✓ right" };
    if (episode.verdict === false) {
      const without = !known(episode.prediction) && episode.stop_reason === "out_of_turns";
      return { name: "wrong", text: without ? "✗ out of turns without an answer" : "✗ wrong" };
    }
    return { name: "none", text: "not judged" };
  }

  // First turn with a frame in the evidence; null for none, undefined where it is not known.
  function firstHit(question, episode) {
    const row = episode.row || {};
    if (known(row.evidence_hit_turn)) return row.evidence_hit_turn;
    if (!Looks.evidence(question).length || episode.other_video) return undefined;
    if (row.evidence_recall === 0) return null;
    const found = Looks.frames(question, episode).find((frame) => frame.hit);
    if (found) return found.turn;
    return sawFrames(question, episode) === false ? undefined : null;
  }

  // Whether its frames are known: false for one that got the whole video, or whose trace has none.
  function sawFrames(question, episode) {
    const row = episode.row || {};
    return Looks.frames(question, episode).length > 0 || row.frames === 0;
  }

  function recall(question, episode) {
    const row = episode.row || {};
    if (known(row.evidence_recall)) return row.evidence_recall;
    const spans = episode.other_video ? [] : Looks.evidence(question);
    if (!spans.length || !sawFrames(question, episode)) return null;
    const frames = Looks.frames(question, episode);
    return spans.filter((span) => frames.some((one) => Looks.inside(one.second, [span]))).length / spans.length;
  }

  // Sentences on why it may have ended so.
  function hints(question, episode) {
    if (episode.error && !known(episode.verdict)) return [`It failed on our side, so this says nothing of the policy: ${episode.error}`];
    const said = [];
    const hit = firstHit(question, episode);
    if (episode.verdict === false && !known(episode.prediction)) {
      said.push(episode.stop_reason === "out_of_turns" ? "It ran out of turns without an answer." : "It gave no answer.");
    }
    if (episode.verdict === true && hit === null) said.push("Lucky, or told by the question: right without a single frame of the evidence.");
    if (episode.verdict === false && hit === null) said.push(`It never saw the evidence${nearestWords(question, episode)}.`);
    if (episode.verdict === false && known(hit)) said.push(sawWords(question, episode, hit));
    if (episode.verdict === true && known(hit)) said.push(`Right, and it saw the evidence: first in ${Looks.turnWords(hit)}.`);
    const lost = lostBelief(question, episode);
    if (lost !== null) said.push(`Before turn ${lost} the right choice was its most probable one; at the end it was not.`);
    return said;
  }

  function nearestWords(question, episode) {
    const spans = Looks.evidence(question);
    const away = Looks.frames(question, episode).map(({ second }) =>
      Math.min(...spans.map(([start, end]) => (second < start ? start - second : second - end))));
    if (!away.length && (episode.row || {}).frames !== 0) return "";
    const least = away.reduce((a, b) => Math.min(a, b), Infinity);
    return Number.isFinite(least) ? `: its nearest frame is ${Dom.number(Math.max(least, 0), 3)} s away` : ": it was shown no frame";
  }

  function sawWords(question, episode, hit) {
    const count = Looks.frames(question, episode).filter((frame) => frame.hit).length;
    const number = count ? `${Looks.countWords(count, "frame")} of it, ` : ""; // a row alone has no frames
    const frames = `${number}first in ${Looks.turnWords(hit)}`;
    return `It saw the evidence (${frames}) and still ${known(episode.prediction) ? "answered wrong" : "gave no right answer"}.`;
  }

  // The last turn before which the right choice led, where another led later.
  function lostBelief(question, episode) {
    if (!known(question.gold_choice)) return null;
    const told = Looks.steps(episode).filter((step) => (step.beliefs || []).length);
    if (!told.length) return null;
    const leads = (step) => step.beliefs.indexOf(Math.max(...step.beliefs)) === question.gold_choice;
    if (leads(told[told.length - 1])) return null;
    const right = told.filter(leads);
    return right.length ? right[right.length - 1].turn : null;
  }

  // The verdict in one line, with the answer and the right one.
  function line(question, episode) {
    const said = words(episode);
    const quoted = (label, text) => (known(text) ? [label, Dom.h("q", {}, text)] : []);
    const right = episode.verdict === true ? [] : quoted(", the right answer is ", question.gold);
    return Dom.h("span", { class: "verdict-line" }, Dom.h("strong", { class: said.name }, said.text),
      ...quoted(": answered ", episode.prediction), ...right);
  }

  function view(question, episode) {
    const why = hints(question, episode).map((text) => Dom.h("li", {}, text));
    return Dom.h("section", { class: "verdict", "aria-label": "Verdict" },
      Dom.h("h3", {}, "Why"), choices(question, episode), why.length ? Dom.h("ul", { class: "hints" }, ...why) : null,
      Dom.h("dl", { class: "facts" }, ...facts(question, episode).map(([label, text]) =>
        Dom.h("div", {}, Dom.h("dt", {}, label), " ", Dom.h("dd", {}, text)))));
  }

  // Choices with the right one marked, that answered, and the last belief in each.
  function choices(question, episode) {
    const list = question.choices || [];
    if (!list.length) return known(question.gold) ? Dom.h("p", {}, "Right answer: ", Dom.h("b", { class: "gold" }, question.gold)) : null;
    const believed = Looks.steps(episode).filter((step) => (step.beliefs || []).length).pop();
    const answered = predicted(question, episode);
    const items = list.map((choice, k) => {
      const gold = k === question.gold_choice;
      const parts = [Dom.h("span", {}, choice)];
      if (gold) parts.push(" ", Dom.h("span", { class: "badge" }, "gold answer"));
      if (k === answered) parts.push(" ", Dom.h("span", { class: `badge ${gold ? "" : "badge-bad"}` }, gold ? "✓ answered" : "✗ answered"));
      if (believed) parts.push(" ", Dom.h("span", { class: "belief" }, Dom.percent(believed.beliefs[k])));
      return Dom.h("li", { class: gold ? "gold" : "" }, ...parts);
    });
    return Dom.h("ol", { class: "choices" }, ...items);
  }

  // Number of the choice that was answered; -1 where the answer is none of them, word for word.
  function predicted(question, episode) {
    if (!known(episode.prediction)) return -1;
    const plain = (text) => String(text).trim().toLowerCase();
    const place = question.choices.findIndex((choice) => plain(choice) === plain(episode.prediction));
    if (place >= 0) return place;
    const letter = /^\(?([a-z])\)?[.:]?$/.exec(plain(episode.prediction));
    return letter && letter[1].charCodeAt(0) - 97 < question.choices.length ? letter[1].charCodeAt(0) - 97 : -1;
  }

  function facts(question, episode) {
    const row = episode.row || {};
    const pairs = [];
    const add = (label, text) => known(text) && text !== "" && pairs.push([label, String(text)]);
    if (known(episode.verdict)) add("decided by", episode.rule === "undecided" ? "no rule: none could tell, which is wrong" : episode.rule && `the rule ${episode.rule.replaceAll("_", " ")}`);
    add("judge", episode.judge);
    add("its words", episode.judge_words);
    add("played on another video", episode.other_video);
    add("ended", episode.stop_reason && episode.stop_reason.replaceAll("_", " "));
    const share = recall(question, episode);
    add("evidence seen", share === null ? null : `${Dom.percent(share)} of ${Looks.countWords(Looks.evidence(question).length, "span")}`);
    const hit = firstHit(question, episode);
    add("first hit", hit === undefined ? null : hit === null ? "never" : Looks.turnWords(hit));
    for (const [key, label, digits] of [["turns", "turns", 0], ["frames", "frames", 0], ["tokens", "tokens", 0]]) {
      if (known(row[key])) add(label, Dom.number(row[key], digits));
    }
    if (known(row.seconds)) add("time", `${Dom.number(row.seconds, 3)} s`);
    if (known(row.cost)) add("cost", `$${Dom.number(row.cost, 4)}`);
    add("error", episode.error);
    return pairs;
  }

  return { view, line, words, hints, firstHit, recall, predicted };
})();
