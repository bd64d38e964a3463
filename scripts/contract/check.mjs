// Holds the contract's files to the public tools: the AsyncAPI parser, and Ajv for JSON Schema 2020-12.
// Usage: node check.mjs DIRECTORY, which has asyncapi.yaml, schemas/ and examples/. Exits with 1 if any is wrong.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromFile, Parser } from '@asyncapi/parser';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const SEVERITIES = ['error', 'warning', 'information', 'hint'];
const directory = process.argv[2];
let passed = 0;
let failed = 0;

function told(name, problems) {
  if (problems.length === 0) {
    passed += 1;
    return;
  }
  failed += 1;
  console.error(`${name} is wrong:`);
  for (const problem of problems) console.error(`    ${problem}`);
}

function filesIn(folder) {
  const names = readdirSync(join(directory, folder)).filter((name) => name.endsWith('.json')).sort();
  const read = (name) => JSON.parse(readFileSync(join(directory, folder, name), 'utf8'));
  return names.map((name) => [`${folder}/${name}`, read(name)]);
}

async function checkDocument() {
  const { document, diagnostics } = await fromFile(new Parser(), join(directory, 'asyncapi.yaml')).parse();
  const shown = ({ severity, path, message }) => `${SEVERITIES[severity]} at ${path.join('.')}: ${message}`;
  const isWrong = ({ severity }) => ['error', 'warning'].includes(SEVERITIES[severity]);
  told('asyncapi.yaml', diagnostics.filter(isWrong).map(shown));
  for (const note of diagnostics.filter((diagnostic) => !isWrong(diagnostic))) {
    console.log(`asyncapi.yaml: ${shown(note)}`);
  }
  if (!document) return;
  const [channels, messages] = [document.allChannels().all(), document.allMessages().all()];
  console.log(`asyncapi.yaml: ${channels.length} channels, ${messages.length} messages`);
  for (const message of messages) checkExamplesOf(message);
}

// The parser leaves the examples to others. It marks schemas with keywords of its own, hence not strict.
function checkExamplesOf(message) {
  const ajv = new Ajv({ allErrors: true, strict: false });
  addFormats(ajv);
  const name = `asyncapi.yaml: ${message.title()}`;
  const examples = message.examples().all();
  told(`${name}: examples`, examples.length > 0 ? [] : ['there is none']);
  for (const example of examples) {
    told(`${name}: payload`, problemsOf(ajv, message.payload(), example.payload()));
    if (message.headers()) told(`${name}: headers`, problemsOf(ajv, message.headers(), example.headers()));
  }
}

function problemsOf(ajv, schema, value) {
  const validate = ajv.compile(schema.json());
  return validate(value) ? [] : shownErrors(validate);
}

function shownErrors({ errors }) {
  return errors.map(({ instancePath, message }) => `${instancePath || 'the whole'} ${message}`);
}

function checkSchemas() {
  const ajv = new Ajv({ allErrors: true, allowUnionTypes: true, strict: true, strictRequired: false });
  addFormats(ajv);
  const schemas = new Map();
  for (const [name, schema] of filesIn('schemas')) {
    try {
      // Compiling checks the schema against its meta-schema, and in strict mode refuses what would be ignored.
      schemas.set(schema.title, { name, validate: ajv.compile(schema), examples: 0 });
      told(name, []);
    } catch (error) {
      told(name, [error.message]);
    }
  }
  return schemas;
}

function checkExamples(schemas) {
  for (const [name, event] of filesIn('examples')) {
    const schema = schemas.get(event.type);
    if (!schema) {
      told(name, [`no schema has the title ${event.type}`]);
      continue;
    }
    schema.examples += 1;
    told(name, schema.validate(event) ? [] : shownErrors(schema.validate));
  }
  for (const { name, examples } of schemas.values()) {
    told(`the examples of ${name}`, examples > 0 ? [] : ['there is none']);
  }
}

await checkDocument();
checkExamples(checkSchemas());
console.log(`contract: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
