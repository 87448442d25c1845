// Prints JSON values as YAML. Argo CD's API has objects as JSON; people read YAML. Nothing is parsed here.

const plain = /^[A-Za-z_/.][\w./@%+=-]*( [\w./@%+=-]+)*$/;
const reserved = /^(true|false|yes|no|on|off|null|~|y|n|\.inf|\.nan)$/i;

function scalar(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'string') return String(value);
  if (plain.test(value) && !reserved.test(value) && !/^[\d.+-]/.test(value)) return value;
  return JSON.stringify(value);
}

const isEmpty = (value: object) => (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);

function block(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => entry('-', item, indent, true));
  return Object.entries(value as Record<string, unknown>).flatMap(([key, item]) => entry(scalar(key) + ':', item, indent, false));
}

function entry(head: string, value: unknown, indent: string, inList: boolean): string[] {
  if (typeof value === 'string' && /\n/.test(value) && !/^\s|[^\S\n]\n|[\u0000-\u0008\u000b-\u001f]/.test(value)) {
    const chomp = value.endsWith('\n\n') ? '+' : value.endsWith('\n') ? '' : '-';
    const text = value.endsWith('\n') ? value.slice(0, -1) : value;
    return [`${indent}${head} |${chomp}`, ...text.split('\n').map((line) => (line ? `${indent}  ${line}` : ''))];
  }
  if (value === null || typeof value !== 'object') return [`${indent}${head} ${scalar(value)}`];
  if (isEmpty(value)) return [`${indent}${head} ${Array.isArray(value) ? '[]' : '{}'}`];
  if (!inList) return [`${indent}${head}`, ...block(value, Array.isArray(value) ? indent : indent + '  ')];
  const lines = block(value, indent + '  ');
  const first = lines[0] ?? '';
  return [`${indent}- ${first.slice(indent.length + 2)}`, ...lines.slice(1)];
}

/** toYAML prints a value as YAML. */
export function toYAML(value: unknown): string {
  if (value === null || typeof value !== 'object') return scalar(value) + '\n';
  if (isEmpty(value)) return Array.isArray(value) ? '[]\n' : '{}\n';
  return block(value, '').join('\n') + '\n';
}

/** manifest prints an object that the API gave as a JSON string; what is no JSON is shown as it is. */
export function manifest(json: string | undefined): string {
  if (!json || json === 'null') return '';
  try {
    const object = JSON.parse(json) as { metadata?: { managedFields?: unknown } };
    if (object?.metadata) delete object.metadata.managedFields;
    return toYAML(object);
  } catch {
    return json;
  }
}
