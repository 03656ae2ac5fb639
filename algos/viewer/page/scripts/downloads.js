// The rows as they are filtered and sorted now, as a file.
const Downloads = (() => {
  const COLUMNS = ["id", "entry"];

  const keys = () => [...COLUMNS, ...Columns.all.map((one) => one.key).filter((key) => !COLUMNS.includes(key))];

  // A cell of CSV. A text that a spreadsheet would compute gets an apostrophe before it.
  function cell(value) {
    if (value === null) return "";
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    const text = String(value);
    const safe = /^[=+\-@\t\r\n]/.test(text.trimStart().slice(0, 1) || text) || /^[\t\r\n]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  }

  async function csv(rows) {
    const names = keys();
    const pieces = [`${names.map(cell).join(",")}\r\n`];
    await Work.slices(rows.length, (from, to) => {
      for (let k = from; k < to; k++) pieces.push(`${names.map((key) => cell(Data.rows.get(key, rows[k]))).join(",")}\r\n`);
    }, undefined, 512);
    return new Blob(pieces, { type: "text/csv;charset=utf-8" });
  }

  // One object a line in an array; what is not known is left out.
  async function json(rows) {
    const names = keys();
    const pieces = [];
    const one = (i) => JSON.stringify(Object.fromEntries(names.map((key) => [key, Data.rows.get(key, i)]).filter((pair) => pair[1] !== null)));
    await Work.slices(rows.length, (from, to) => {
      for (let k = from; k < to; k++) pieces.push(`${k ? ",\n" : ""}${one(rows[k])}`);
    }, undefined, 512);
    return new Blob(["[\n", ...pieces, "\n]\n"], { type: "application/json" });
  }

  async function save(kind, rows) {
    const address = URL.createObjectURL(await (kind === "csv" ? csv(rows) : json(rows)));
    const link = Dom.h("a", { href: address, download: `questions.${kind}` });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  }

  return { save, cell };
})();
