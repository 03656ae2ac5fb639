// The language of filters, as it stands in the address and as a reader may type it:
//
//   entry:update-40 verdict:wrong evidence:seen turns:2..5 family:needle,"two words" word "a phrase"
//
// A term names a column and what its cells may be: verdicts (right, wrong, none), values (none for
// no value), a range of numbers or times with its ends, or a text that is contained. Words without
// a column are searched for. What makes no sense is left out.
const Filters = (() => {
  const NONE = "none";
  const EVIDENCE = "evidence_recall";

  // Terms of a text: {entry, evidence, words, columns: Map(key -> test)}.
  function parse(text) {
    const found = { entry: null, evidence: null, words: [], columns: new Map() };
    const source = String(text || "");
    for (let at = 0; at < source.length; ) {
      if (/\s/.test(source[at])) at += 1;
      else at = term(source, at, found);
    }
    return found;
  }

  // Words and "quoted phrases" of the box for searching, where a column has no meaning.
  const words = (text) =>
    [...String(text || "").matchAll(/"([^"]*)"?|[^\s"]+/g)].map((one) => one[1] ?? one[0]).filter(Boolean);

  // Read one term, and return where the next may begin.
  function term(source, at, found) {
    const name = atom(source, at, /[^\s":]/);
    if (source[name.end] !== ":" || name.text === "") {
      if (name.text) found.words.push(name.text);
      return Math.max(name.end, at + 1);
    }
    const start = name.end + 1;
    if (name.text === "entry") return entryTerm(source, start, found);
    const values = [];
    let end = start;
    for (;;) {
      const one = atom(source, end, /[^\s",]/);
      if (one.text !== "" || one.quoted) values.push(one);
      end = one.end;
      if (source[end] !== ",") break;
      end += 1;
    }
    take(found, name.text, values);
    return Math.max(end, start);
  }

  // A quoted text or a bare one; `letters` says which letters a bare one has.
  function atom(source, at, letters) {
    if (source[at] !== '"') {
      let end = at;
      while (end < source.length && letters.test(source[end])) end += 1;
      return { text: source.slice(at, end), end, quoted: false };
    }
    let text = "";
    let end = at + 1;
    for (; end < source.length && source[end] !== '"'; end++) {
      if (source[end] === "\\" && end + 1 < source.length) end += 1;
      text += source[end];
    }
    return { text, end: end + 1, quoted: true };
  }

  // Names of entries may hold blanks: the longest that stands here is meant.
  function entryTerm(source, start, found) {
    const rest = source.slice(start);
    const ends = (key) => rest.startsWith(key) && /^(\s|$)/.test(rest.slice(key.length));
    const keys = ["*", ...Data.run.entries.map((one) => one.key)].filter((key) => key && ends(key));
    const longest = keys.sort((a, b) => b.length - a.length)[0];
    if (longest !== undefined) {
      found.entry = longest;
      return start + longest.length;
    }
    const one = atom(source, start, /\S/);
    if (Data.run.entries.some((entry) => entry.key === one.text)) found.entry = one.text;
    return one.end;
  }

  function take(found, name, values) {
    if (name === "evidence" && values.length === 1 && ["seen", "unseen"].includes(values[0].text)) {
      found.evidence = values[0].text;
      return;
    }
    const column = Columns.find(name);
    const test = column && values.length ? testOf(column, values) : null;
    if (test) found.columns.set(column.key, test);
  }

  function testOf(column, values) {
    if (column.kind === "number" || column.kind === "seconds") return range(values[0].text);
    if (column.kind === "text") return { text: values.map((one) => one.text).join(",") };
    const missing = values.some((one) => one.text === NONE && !one.quoted);
    const kept = values.filter((one) => one.text !== NONE || one.quoted).map((one) => one.text);
    if (column.kind === "category") return { values: new Set(kept), missing };
    const verdicts = kept.filter((one) => one === "right" || one === "wrong");
    return verdicts.length || missing ? { values: new Set(verdicts), missing } : null;
  }

  function range(text) {
    const parts = text.split("..");
    if (parts.length > 2) return null;
    const [low, high] = [parts[0], parts[parts.length - 1]].map(quantity);
    if ((Number.isNaN(low) && parts[0] !== "") || (Number.isNaN(high) && parts[parts.length - 1] !== "")) return null;
    if (Number.isNaN(low) && Number.isNaN(high)) return null;
    return { low: Number.isNaN(low) ? -Infinity : low, high: Number.isNaN(high) ? Infinity : high };
  }

  // A number, or a time by the clock; NaN for anything else.
  function quantity(text) {
    if (/^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,3})?$/i.test(text)) return Number(text);
    if (!/^([0-9]+:)?[0-9]+:[0-5][0-9](\.[0-9]+)?$/.test(text)) return NaN;
    return text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
  }

  const quoted = (text) =>
    text !== NONE && /^[^\s",:\\]+$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
  const bound = (x) => (Number.isFinite(x) ? String(x) : "");

  // The text of terms; `parse` gives them back.
  function format(terms) {
    const parts = [];
    if (terms.entry) parts.push(`entry:${terms.entry === "*" ? "*" : quoted(terms.entry)}`);
    if (terms.evidence) parts.push(`evidence:${terms.evidence}`);
    for (const [key, test] of terms.columns) parts.push(`${quoted(key)}:${written(test)}`);
    return [...parts, ...terms.words.map(quoted)].join(" ");
  }

  function written(test) {
    if (test.values) return [...[...test.values].map(quoted), ...(test.missing ? [NONE] : [])].join(",");
    if (test.text !== undefined) return quoted(test.text);
    return test.low === test.high ? bound(test.low) : `${bound(test.low)}..${bound(test.high)}`;
  }

  // A function that says of a row whether it passes one column's test.
  function passes(column, test) {
    if (test.low !== undefined) {
      const values = Columns.numbers(column.key);
      return (i) => values[i] >= test.low && values[i] <= test.high;
    }
    const packed = Data.rows.column(column.key);
    const fits = test.text !== undefined ? contains(test.text.toLowerCase()) : isOneOf(column, test);
    if (!packed) return () => fits(null);
    if (!packed.codes) return (i) => fits(packed.values[i]);
    const known = packed.names.map(fits);
    const missing = fits(null);
    return (i) => (packed.codes[i] < 0 ? missing : known[packed.codes[i]]);
  }

  const isNothing = (value) => value === null || value === undefined;
  const contains = (text) => (value) => !isNothing(value) && String(value).toLowerCase().includes(text);

  function isOneOf(column, test) {
    if (column.kind !== "verdict") return (value) => (isNothing(value) ? test.missing : test.values.has(String(value)));
    const [right, wrong] = ["right", "wrong"].map((name) => test.values.has(name));
    return (value) => (value === true ? right : value === false ? wrong : test.missing);
  }

  // Functions that a row must all pass, without the words; `but` leaves terms out by their names.
  function tests(terms, but = []) {
    const found = [];
    const entry = terms.entry || Data.run.shown;
    if (entry !== "*") {
      const code = Data.run.entries.findIndex((one) => one.key === entry);
      const { codes } = Data.rows.column("entry");
      found.push((i) => codes[i] === code);
    }
    if (terms.evidence && !but.includes("evidence")) {
      const recall = Columns.numbers(EVIDENCE);
      found.push(terms.evidence === "seen" ? (i) => recall[i] > 0 : (i) => recall[i] <= 0);
    }
    for (const [key, test] of terms.columns)
      if (!but.includes(key)) found.push(passes(Columns.find(key), test));
    return found;
  }

  return { parse, format, words, tests, quantity, EVIDENCE };
})();
