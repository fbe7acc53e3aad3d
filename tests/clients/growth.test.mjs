// Proves that the schema grows as docs/schema.md promises, held against the last released one.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  BreakingChangeType as Breaking, buildSchema, DangerousChangeType as Dangerous, findBreakingChanges,
  findDangerousChanges, isEnumType, isInputObjectType, isInterfaceType, isObjectType,
} from 'graphql';

const sdlOf = name => readFile(new URL(name, import.meta.url), 'utf8');
const released = await sdlOf('released-schema.graphql');
const current = await sdlOf('schema.graphql');
const version = process.env.ASSET_GATEWAY_VERSION;

const REASON = /^Since (\d+)\.(\d+): ./;
const MINORS = 2;

/// Every part of a schema that can be deprecated, with its reason.
function* parts(schema) {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (isEnumType(type)) {
      for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.deprecationReason];
    }
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field.deprecationReason];
      for (const argument of field.args ?? []) {
        yield [`${type.name}.${field.name}(${argument.name})`, argument.deprecationReason];
      }
    }
  }
}

/// Whether a part, deprecated for this reason, may be gone in this version.
function mayBeGone(reason, now) {
  const since = REASON.exec(reason ?? '');
  const [major, minor] = now.split('.').map(Number);
  if (since === null) return false;
  return minor >= MINORS + (major > Number(since[1]) ? 0 : Number(since[2]));
}

/// What breaks the promise.
function faults(before, after, now) {
  const [old, grown] = [buildSchema(before), buildSchema(after)];
  const reasons = new Map(parts(old));
  const gone = [Breaking.FIELD_REMOVED, Breaking.VALUE_REMOVED_FROM_ENUM, Breaking.ARG_REMOVED];
  // graphql-js names the part in its message alone.
  const nameOf = ({ description }) => {
    const value = /^(\w+) was removed from enum type (\w+)/.exec(description);
    if (value) return `${value[2]}.${value[1]}`;
    const argument = /^(\w+\.\w+) arg (\w+) /.exec(description);
    return argument ? `${argument[1]}(${argument[2]})` : /^(\w+\.\w+) /.exec(description)?.[1];
  };
  const breaking = findBreakingChanges(old, grown)
    .filter(change => !(gone.includes(change.type) && mayBeGone(reasons.get(nameOf(change)), now)));
  const dangerous = findDangerousChanges(old, grown).filter(({ type }) => type === Dangerous.ARG_DEFAULT_VALUE_CHANGE);
  const unexplained = [...parts(grown)]
    .filter(([, reason]) => reason != null && !REASON.test(reason))
    .map(([name]) => ({ type: 'NO_REASON', description: `${name} is deprecated without "Since X.Y: …"` }));
  return [...breaking, ...dangerous, ...unexplained].map(({ type }) => type);
}

test('the schema keeps what was released', () => {
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(faults(released, current, version), []);
});

const OLD = `
  type Query { asset(id: ID!, size: Int = 1): Asset! assets(input: Input): [Asset!]! }
  type Asset {
    id: ID! name: String! width(unit: String @deprecated(reason: "Since 0.2: pixels alone.")): Int
    owner: String @deprecated(reason: "Since 0.2: use \`createdBy\`.")
  }
  enum Kind { IMAGE VIDEO MOVIE @deprecated(reason: "Since 0.2: use \`VIDEO\`.") }
  input Input { kind: Kind note: String }
`;
const after = (part, other) => {
  assert.ok(OLD.includes(part));
  return OLD.replace(part, other);
};

for (const [what, sdl, found] of [
  ['a field that is gone', after(' name: String!', ''), [Breaking.FIELD_REMOVED]],
  ['a result that may be null now', after('name: String!', 'name: String'), [Breaking.FIELD_CHANGED_KIND]],
  ['a result of another type', after('name: String!', 'name: ID!'), [Breaking.FIELD_CHANGED_KIND]],
  ['a value that is gone', after('IMAGE VIDEO', 'IMAGE'), [Breaking.VALUE_REMOVED_FROM_ENUM]],
  ['an argument that is gone', after(', size: Int = 1', ''), [Breaking.ARG_REMOVED]],
  ['an argument that is required now', after('size: Int = 1', 'size: Int!'), [Breaking.ARG_CHANGED_KIND]],
  ['a new argument that is required', after('id: ID!,', 'id: ID!, scale: Int!,'), [Breaking.REQUIRED_ARG_ADDED]],
  ['another default', after('size: Int = 1', 'size: Int = 2'), [Dangerous.ARG_DEFAULT_VALUE_CHANGE]],
  ['a new input field that is required', after('note: String }', 'note: String id: ID! }'), [Breaking.REQUIRED_INPUT_FIELD_ADDED]],
  ['an input field that is required now', after('note: String }', 'note: String! }'), [Breaking.FIELD_CHANGED_KIND]],
  ['a deprecation without a version', after('name: String!', 'name: String! @deprecated'), ['NO_REASON']],
]) {
  test(`the rule finds ${what}`, () => assert.deepEqual(faults(OLD, sdl, '0.9.0'), found));
}

test('the rule lets the schema grow', () => {
  const sdl = after('IMAGE VIDEO', 'IMAGE VIDEO AUDIO')
    .replace('name: String!', 'name: String! size: Int')
    .replace('id: ID!, size', 'id: ID!, scale: Int, size')
    .replace('note: String }', 'note: String tags: [String!] }');
  assert.deepEqual(faults(OLD, sdl, '0.2.0'), []);
});

test('what is deprecated may be gone after two minor releases', () => {
  const sdl = OLD.replace(/\(unit.*?\)\)/, '').replace(/ owner.*/, '').replace(/ MOVIE .*?\)/, '');
  assert.doesNotMatch(sdl, /unit|owner|MOVIE/);
  const gone = [Breaking.ARG_REMOVED, Breaking.FIELD_REMOVED, Breaking.VALUE_REMOVED_FROM_ENUM];
  assert.deepEqual(faults(OLD, sdl, '0.3.9').toSorted(), gone);
  assert.deepEqual(faults(OLD, sdl, '0.4.0'), []);
});
