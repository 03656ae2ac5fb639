// What the policy read in a turn, against the turn before: new lines, gone lines, the rest folded.
//
// Prompt.view(step, before) -> element, or null where the text is not known
const Prompt = (() => {
  const CELLS = 4e6; // lines times lines that are compared; longer texts only at their ends

  function view(step, before) {
    if (step.prompt === undefined || step.prompt === null) return null;
    const old = before && before.prompt;
    if (old === undefined || old === null) return Dom.h("pre", { class: "prompt" }, step.prompt);
    const parts = changes(old.split("\n"), step.prompt.split("\n"));
    const [added, gone] = ["+", "-"].map((sign) => parts.filter((one) => one.sign === sign).length);
    const words = added || gone ? `${added} new, ${gone} gone, against turn ${before.turn}` : `the same as in turn ${before.turn}`;
    return Dom.h("div", { class: "prompt" },
      Dom.h("p", { class: "note" }, `${words[0].toUpperCase()}${words.slice(1)}.`),
      Dom.h("div", { class: "prompt-lines" }, ...folded(parts)));
  }

  // Runs of lines that did not change stand behind their number.
  function folded(parts) {
    const made = [];
    for (let k = 0; k < parts.length;) {
      const sign = parts[k].sign;
      let end = k;
      while (end < parts.length && parts[end].sign === sign) end += 1;
      const lines = parts.slice(k, end).map((one) => one.line);
      made.push(sign === "=" ? same(lines) : run(sign, lines));
      k = end;
    }
    return made;
  }

  function run(sign, lines) {
    const [tag, name] = sign === "+" ? ["ins", "new"] : ["del", "gone"];
    const text = lines.map((line) => `${sign === "+" ? "+" : "−"} ${line}`).join("\n");
    return Dom.h("pre", { class: name }, Dom.h(tag, {}, text));
  }

  const same = (lines) =>
    Dom.h("details", {}, Dom.h("summary", {}, `${Looks.countWords(lines.length, "line")} unchanged`),
      Dom.h("pre", {}, lines.map((line) => `  ${line}`).join("\n")));

  // The shortest way from one list of lines to another: "=" kept, "-" gone, "+" new.
  function changes(old, now) {
    let head = 0;
    while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
    let tail = 0;
    const room = Math.min(old.length, now.length) - head;
    while (tail < room && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
    const [a, b] = [old.slice(head, old.length - tail), now.slice(head, now.length - tail)];
    const signed = (sign, lines) => lines.map((line) => ({ sign, line }));
    const middle = a.length * b.length > CELLS ? [...signed("-", a), ...signed("+", b)] : aligned(a, b);
    return [...signed("=", old.slice(0, head)), ...middle, ...signed("=", old.slice(old.length - tail))];
  }

  // Longest common subsequence by its table.
  function aligned(a, b) {
    const wide = b.length + 1;
    const table = new Uint32Array((a.length + 1) * wide);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        const [down, right] = [table[(i + 1) * wide + j], table[i * wide + j + 1]];
        table[i * wide + j] = a[i] === b[j] ? table[(i + 1) * wide + j + 1] + 1 : Math.max(down, right);
      }
    }
    const found = [];
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        found.push({ sign: "=", line: a[i] });
        i += 1;
        j += 1;
      } else if (j === b.length || (i < a.length && table[(i + 1) * wide + j] >= table[i * wide + j + 1])) {
        found.push({ sign: "-", line: a[i] });
        i += 1;
      } else {
        found.push({ sign: "+", line: b[j] });
        j += 1;
      }
    }
    return found;
  }

  return { view, changes };
})();
