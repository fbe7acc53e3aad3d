// Documents made at random from a schema: valid ones, and ones with faults of every kind. A seed gives the same ones again.
import { isInputObjectType, isEnumType, isLeafType, isAbstractType, getNamedType, getNullableType, isListType, isNonNullType, isRequiredArgument, isRequiredInputField } from 'graphql-17';

/// A generator of numbers from 0 to 1 (mulberry32).
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// Makes the documents of one seed.
export class DocumentGenerator {
  constructor(schema, seed, { faults = 0.008 } = {}) {
    this.schema = schema;
    this.random = randomNumbers(seed);
    this.faults = faults;
    this.types = Object.values(schema.getTypeMap()).filter(type => !type.name.startsWith('__'));
    this.inputs = this.types.filter(type => isLeafType(type) || isInputObjectType(type)).filter(type => type.name !== 'Upload');
    this.objects = this.types.filter(type => typeof type.getFields === 'function' && !isInputObjectType(type));
  }

  chance(share) { return this.random() < share; }
  fault(times = 1) { return this.chance(this.faults * times); }
  pick(list) { return list[Math.floor(this.random() * list.length)]; }
  blank() { return this.chance(0.9) ? '' : this.pick([' ', '\n', ' # note\n', ', ']); }

  document() {
    this.fragments = [];
    this.variables = new Map();
    const count = this.chance(0.85) ? 1 : 2;
    const parts = [];
    for (let index = 0; index < count; index += 1) parts.push(this.operation(index, count));
    for (const fragment of this.fragments) parts.push(fragment.text);
    if (this.fault()) parts.push(`fragment Unused on ${this.pick(this.objects).name} { __typename }`);
    if (this.chance(0.3)) parts.reverse();
    return parts.join('\n');
  }

  operation(index, count) {
    this.variables = new Map();
    const isMutation = this.chance(0.3);
    const root = isMutation ? this.schema.getMutationType() : this.schema.getQueryType();
    const directives = this.directives('operation');
    const body = this.selectionSet(root, 0);
    const name = count > 1 || this.chance(0.5) ? (this.fault() ? 'Op0' : `Op${index}`) : '';
    const keyword = isMutation ? 'mutation' : 'query';
    const variables = this.variableDefinitions();
    if (!isMutation && name === '' && variables === '' && directives === '' && this.chance(0.7)) return body;
    return `${this.description()}${keyword} ${name}${variables}${directives} ${body}`;
  }

  description() {
    return this.chance(0.9) ? '' : `${this.pick(['"what it does"', '"""\nblock: \\""" $x { é\n"""', '"\\u{1F600} \\uD83D\\uDE00 \\\\"'])} `;
  }

  variableDefinitions() {
    const definitions = [...this.variables].filter(() => !this.fault()).map(([name, { type, fallback }]) =>
      `${this.description()}$${name}:${this.blank()}${this.spaced(type)}${fallback === null ? '' : ` = ${fallback}`}${this.fault(0.3) ? ' @skip(if: true)' : ''}`);
    if (this.fault()) definitions.push('$unused: Int');
    if (this.fault(0.5)) definitions.push(...definitions.slice(0, 1));
    if (this.fault(0.3)) definitions.push('$output: Asset');
    return definitions.length === 0 ? '' : `(${definitions.join(', ')})`;
  }

  spaced(type) {
    return this.chance(0.8) ? type : type.replaceAll(/[[\]!]/g, mark => `${this.pick(['', ' ', ' #\n'])}${mark}${this.pick(['', ' '])}`);
  }

  selectionSet(type, depth) {
    const fields = typeof type.getFields === 'function' ? Object.values(type.getFields()) : [];
    const count = 1 + Math.floor(this.random() * 3);
    const selections = [];
    for (let index = 0; index < count; index += 1) selections.push(this.selection(type, fields, depth));
    return `{${this.blank()} ${selections.join(this.chance(0.9) ? ' ' : ', ')} }`;
  }

  selection(type, fields, depth) {
    const kind = this.random();
    if (kind < 0.06) return '__typename';
    if (kind < 0.14 && depth < 6) {
      const condition = this.conditionFor(type);
      return `... ${condition === type && this.chance(0.4) ? '' : `on${this.pick([' ', '\n', ' #\n'])}${condition.name}`} ${this.directives('inline')}${this.selectionSet(condition, depth + 1)}`;
    }
    if (kind < 0.22 && depth < 5) return this.spread(type, depth);
    if (this.fault()) return this.pick(['unknownField', 'nodes2', 'nam', '__schema2']);
    const usable = depth > 4 ? fields.filter(field => isLeafType(getNamedType(field.type))) : fields;
    const field = usable.length === 0 ? null : this.pick(usable);
    return field === null ? '__typename' : this.field(field, depth);
  }

  /// A type that a selection on `type` may be narrowed to; at times one that it cannot.
  conditionFor(type) {
    if (this.fault()) return this.pick(this.objects);
    const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : type.getInterfaces?.() ?? [];
    return this.chance(0.5) || possible.length === 0 ? type : this.pick(possible);
  }

  spread(type, depth) {
    if (this.fault()) return '...Missing';
    const known = this.fragments.filter(fragment => fragment.type === type && fragment.variables === this.variables);
    if (known.length > 0 && this.chance(0.4)) return `...${this.pick(known).name}`;
    const condition = this.conditionFor(type);
    const name = `F${this.fragments.length}`;
    const fragment = { name, type, variables: this.variables, text: '' };
    if (this.fault()) this.fragments.push(fragment);
    const body = this.selectionSet(condition, depth + 1);
    if (!this.fragments.includes(fragment)) {
      fragment.name = `F${this.fragments.length}`;
      this.fragments.push(fragment);
    }
    fragment.text = `${this.description()}fragment ${fragment.name} on ${condition.name} ${this.directives('fragment')}${body}`;
    return `...${fragment.name} ${this.directives('spread')}`;
  }

  field(field, depth) {
    const alias = this.chance(0.85) ? '' : `${this.pick(NAMES)}: `;
    const named = getNamedType(field.type);
    const isLeaf = isLeafType(named);
    const body = isLeaf !== this.fault() ? '' : ` ${isLeaf ? '{ __typename }' : this.selectionSet(named, depth + 1)}`;
    return `${alias}${field.name}${this.argumentsOf(field.args)}${this.directives('field')}${body}`;
  }

  argumentsOf(definitions) {
    const given = definitions
      .filter(definition => (isRequiredArgument(definition) ? !this.fault() : this.chance(0.25)))
      .map(definition => `${definition.name}:${this.blank()} ${this.value(definition.type, 0)}`);
    if (this.fault()) given.push('unknownArgument: 1');
    if (this.fault()) given.push(...given.slice(0, 1));
    return given.length === 0 ? '' : `(${given.join(', ')})`;
  }

  directives(place) {
    if (this.chance(place === 'operation' ? 0.98 : 0.94)) return '';
    if (this.fault(2)) return this.pick([' @unknown', ' @skip', ' @include(when: true)', ' @skip(if: true) @skip(if: false)', ' @deprecated']) + ' ';
    if ((place === 'operation' || place === 'fragment') && !this.fault()) return '';
    return ` @${this.pick(['skip', 'include'])}(if: ${this.value(this.schema.getDirective('skip').args[0].type, 0)}) `;
  }

  /// A literal or a variable for a position of this type.
  value(type, depth) {
    if (this.chance(0.22)) return this.variable(type);
    return this.literal(type, depth);
  }

  variable(type) {
    if (this.fault()) return '$undeclared';
    const same = [...this.variables].filter(([, { position }]) => position === String(type));
    if (same.length > 0 && this.chance(0.3)) return `$${this.pick(same)[0]}`;
    if (this.variables.size > 0 && this.fault()) return `$${this.pick([...this.variables.keys()])}`;
    const name = `v${this.variables.size}`;
    const declared = this.variableType(String(type));
    const fallback = !declared.endsWith('!') || this.fault() ? (this.chance(0.3) ? this.fallback(type) : null) : null;
    this.variables.set(name, { type: declared, fallback, position: String(type) });
    return `$${name}`;
  }

  /// A default value: it holds variables by mistake alone.
  fallback(type) {
    const { value, variables } = this;
    if (!this.fault()) this.value = this.literal;
    this.variables = new Map();
    const text = this.literal(isNonNullType(type) && !this.fault() ? type.ofType : type, 0);
    this.value = value;
    this.variables = variables;
    return text;
  }

  /// The type of the position or one near it, right or wrong.
  variableType(type) {
    if (this.chance(0.55)) return type;
    const choice = this.random();
    if (choice < 0.25) return type.endsWith('!') ? type : `${type}!`;
    if (choice < 0.5) return type.endsWith('!') ? type.slice(0, -1) : `${type}!`;
    if (choice < 0.65) return type.replaceAll('!', '');
    if (choice < 0.75) return type.replaceAll(/\w+/g, '$&!').replaceAll('!!', '!');
    if (choice < 0.82) return `[${type}]`;
    if (choice < 0.89) return type.replace(/^\[(.*)\]!?$/, '$1');
    if (choice < 0.95) return type.replace(/\w+/, this.pick(this.inputs).name);
    return `[[${type}]]`;
  }

  literal(type, depth) {
    if (isNonNullType(type)) return this.fault() ? 'null' : this.literal(getNullableType(type), depth);
    if (this.chance(0.08)) return 'null';
    if (this.fault(1.5)) return this.pick(['1', '"text"', 'true', 'WRONG', '[1]', '{a: 1}', '1.5', '[]', '[[]]', '99999999999']);
    if (isListType(type)) {
      if (this.chance(0.3)) return this.value(type.ofType, depth);
      const count = Math.floor(this.random() * 3);
      return `[${Array.from({ length: count }, () => this.value(type.ofType, depth)).join(', ')}]`;
    }
    if (isEnumType(type)) return this.pick(type.getValues()).name;
    if (isInputObjectType(type)) return this.object(type, depth);
    return this.scalar(type.name);
  }

  object(type, depth) {
    const fields = Object.values(type.getFields());
    const chosen = type.isOneOf && !this.fault()
      ? [this.pick(fields)]
      : fields.filter(field => (isRequiredInputField(field) ? !this.fault() : this.chance(depth > 2 ? 0.1 : 0.25)));
    const given = chosen.map(field => `${field.name}: ${this.value(field.type, depth + 1)}`);
    if (this.fault()) given.push('unknownKey: 1');
    if (this.fault(2)) given.push(...given.slice(0, 1));
    return `{${given.join(', ')}}`;
  }

  scalar(name) {
    switch (name) {
      case 'Int': return this.pick(['0', '1', '-1', '20', '2147483647']);
      case 'Float': return this.pick(['0', '1.5', '-2e3', '7']);
      case 'Boolean': return this.pick(['true', 'false']);
      case 'ID': return this.pick(['"YTpjb21meTox"', '7', '"x"']);
      case 'String': return this.pick(['"fox"', '""', '"""block\n  text"""', '"\\u{1F600}"', '"\\uD83D\\uDE00 \\n"', '"é # {"']);
      case 'ByteSize': return this.pick(['0', '4096']);
      case 'DateTime': return '"2026-11-01T12:00:00Z"';
      default: return '"x"';
    }
  }
}
