// Holds SARIF logs against the JSON schema of SARIF 2.1.0, as the npm package @microsoft/jest-sarif
// has it. Arguments: the folder of npm packages, then files.
const { readFileSync } = require("fs");
const { join } = require("path");
const [packages, ...files] = process.argv.slice(2);
const Ajv = require(join(packages, "ajv"));

const folder = join(packages, "@microsoft/jest-sarif/lib/schemas");
const schema = JSON.parse(readFileSync(join(folder, "sarif-2.1.0-rtm.5.json"), "utf8"));
const ajv = new Ajv({ schemaId: "id", allErrors: true, meta: false, format: "full" });
ajv.addMetaSchema(require(join(packages, "ajv/lib/refs/json-schema-draft-04.json")));
const holds = ajv.compile(schema);

// What is plainly no log must not pass.
for (const wrong of [{}, { version: "2.1.0" }, { version: "2.1.0", runs: [{ results: [] }] }]) {
  if (holds(wrong)) throw new Error(`the schema takes ${JSON.stringify(wrong)}`);
}
let results = 0;
for (const file of files) {
  const log = JSON.parse(readFileSync(file, "utf8"));
  if (!holds(log)) {
    console.error(file, JSON.stringify(holds.errors, null, 2));
    process.exit(1);
  }
  for (const run of log.runs) results += run.results.length;
}
console.log(`${files.length} logs, ${results} results`);
