import { describe, expect, it } from 'vitest';
import { levelOf, LineSplitter, LogBuffer, matchLines, parseEntry } from './lines';
import { containersOf } from './viewer';

describe('logs', () => {
  it('cuts lines wherever the pieces end', () => {
    const splitter = new LineSplitter();
    expect([...splitter.push('{"a"'), ...splitter.push(':1}\n{"b":'), ...splitter.push('2}\n\n'), ...splitter.push('rest'), ...splitter.end(), ...splitter.end()]).toEqual(['{"a":1}', '{"b":2}', '', 'rest']);
  });

  it.each([
    ['{"result":{"content":"hello","podName":"a"}}', { entry: { content: 'hello', podName: 'a' } }],
    ['data: {"result":{"content":"hello"}}', { entry: { content: 'hello' } }],
    ['{"result":{"content":"","last":true}}', {}],
    ['{"error":{"message":"no such pod"}}', { error: 'no such pod' }],
    ['{"error":"gone"}', { error: 'gone' }],
    [':', {}],
    ['', {}],
    ['no json', {}],
  ])('%s', (line, want) => expect(parseEntry(line)).toEqual(want));

  it('keeps the latest lines, numbered', () => {
    const buffer = new LogBuffer(2);
    buffer.add([{ content: 'a\nb' }, { content: '\u001b[31mred\u001b[0m' }]);
    expect(buffer.read().map((line) => `${line.number} ${line.text}`)).toEqual(['2 b', '3 red']);
  });

  it('searches, and turns a search around', () => {
    const buffer = new LogBuffer();
    buffer.add([{ content: 'GET /a' }, { content: 'post /b' }]);
    const found = (filter: string) => matchLines(buffer.read(), filter).map((line) => line.text);
    expect([found('get'), found('!get'), found(''), found('!')]).toEqual([['GET /a'], ['post /b'], ['GET /a', 'post /b'], ['GET /a', 'post /b']]);
  });

  it.each([['level=error msg=x', 'error'], ['WARN: slow', 'warn'], ['terror', 'other'], ['ok', 'other']])('%s is %s', (text, want) => expect(levelOf(text)).toBe(want));

  it('names the containers of pods and of what makes pods', () => {
    expect(containersOf('{"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"i"}]}}')).toEqual(['a', 'i']);
    expect(containersOf('{"spec":{"template":{"spec":{"containers":[{"name":"b"}]}}}}')).toEqual(['b']);
    expect(containersOf('{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"c"}]}}}}}}')).toEqual(['c']);
    expect(containersOf('')).toEqual([]);
  });
});
