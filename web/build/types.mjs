// Writes src/api/schema.ts: the types of the API's JSON, from the server's OpenAPI document. The file is a product: it is made
// before types are checked, and not kept. Go encodes a list of nothing as null, so that every list may be.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const source = new URL('../openapi.json', import.meta.url);
const target = new URL('../src/api/schema.ts', import.meta.url);
const { schemas } = JSON.parse(readFileSync(source, 'utf8')).components;

const nameOf = (reference) => typeName(reference.slice(reference.lastIndexOf('/') + 1));
// Types of Kubernetes carry the version of their package.
const typeName = (name) => name.replace(/^v1alpha1/, '').replace(/^v1(?=[A-Z])/, 'Kube').replace(/^[a-z]/, (letter) => letter.toUpperCase());
const keyOf = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.allOf?.length === 1) return typeOf(schema.allOf[0]);
  if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(typeOf).join(' | ');
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array': {
      const item = typeOf(schema.items ?? {});
      return `${/ /.test(item) ? `(${item})` : item}[] | null`;
    }
    default:
      if (schema.additionalProperties && schema.additionalProperties !== true) return `Record<string, ${typeOf(schema.additionalProperties)}>`;
      return schema.properties ? fields(schema) : 'unknown';
  }
}

function fields(schema) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties).map(([name, value]) => `  ${keyOf(name)}${required.has(name) ? '' : '?'}: ${typeOf(value)};\n`);
  return `{\n${lines.join('')}}`;
}

const seen = new Map();
const parts = ['// Written by build/types.mjs from openapi.json. Do not change it by hand.\n'];
for (const [name, schema] of Object.entries(schemas)) {
  const type = typeName(name);
  if (seen.has(type)) throw new Error(`${name} and ${seen.get(type)} are both called ${type}`);
  seen.set(type, name);
  parts.push(schema.properties ? `export interface ${type} ${fields(schema)}\n` : `export type ${type} = ${typeOf(schema)};\n`);
}
const text = parts.join('\n');
// A file that is as it should be keeps its age: what is built from it need not be built again.
if (!existsSync(target) || readFileSync(target, 'utf8') !== text) writeFileSync(target, text);
