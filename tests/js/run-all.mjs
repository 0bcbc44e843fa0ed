// Runs modules one after the other, and prints a JSON list of what each wrote by console.log.
//
//   node run-all.mjs FILE...
const printed = [];
for (const file of process.argv.slice(2)) {
  const lines = [];
  console.log = (...words) => lines.push(words.join(" "));
  try {
    await import(file);
  } catch (error) {
    lines.push(`${error}`);
  }
  printed.push(lines.join("\n"));
}
process.stdout.write(JSON.stringify(printed));
