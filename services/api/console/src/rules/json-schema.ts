/** A JSON value, as parameters are made of. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
export type JsonObject = Readonly<Record<string, Json>>;

/** What a form shows for one field. */
export type Shape =
  | {
      readonly kind: "number";
      readonly min: number | undefined;
      readonly max: number | undefined;
      readonly step: number | undefined;
    }
  | { readonly kind: "boolean" }
  | { readonly kind: "choice"; readonly options: readonly string[] }
  | { readonly kind: "text"; readonly isTime: boolean; readonly maxLength: number | undefined }
  | { readonly kind: "object"; readonly fields: readonly Field[] }
  /** Something that no form here can change; its value stays as it is. */
  | { readonly kind: "other" };

export interface Field {
  readonly name: string;
  readonly shape: Shape;
  /** It may be left open, as null. */
  readonly isNullable: boolean;
  /** What it begins with once it is not left open. */
  readonly initial: Json;
  /** What a new rule has. */
  readonly default: Json;
}

/** Part of JSON Schema that pydantic writes for numbers, booleans, choices, texts, objects, and null beside one of them. */
interface Schema {
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly enum?: readonly Json[];
  readonly default?: Json;
  readonly examples?: readonly Json[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly "x-step"?: number;
}

/** As a number field takes them. */
export interface NumberLimits {
  readonly minValue?: number;
  readonly maxValue?: number;
  readonly step?: number;
}

/** Of a step: what binary fractions leave over. */
const ROUNDING = 1e-6;

type Definitions = Readonly<Record<string, Schema>>;

/** The fields of an object's JSON Schema, in its order. */
export function fieldsOf(schema: Readonly<Record<string, unknown>>): Field[] {
  const root = schema as Schema;
  return objectFields(root, root.$defs ?? {});
}

/** What a new rule's parameters are. */
export function defaultsOf(fields: readonly Field[]): JsonObject {
  return Object.fromEntries(fields.map((field) => [field.name, field.default]));
}

/** What a field is at present: its default where it is missing, as in what was saved before there was such a field. */
export function valueOf(field: Field, object: JsonObject): Json {
  const value = object[field.name];
  return value === undefined ? field.default : value;
}

/** Bounds and step for a field that shows `value`: none that would make the field show, or save, another one. */
export function limitsOf({ min, max, step }: Shape & { readonly kind: "number" }, value: Json): NumberLimits {
  if (typeof value === "number") {
    if (value < (min ?? -Infinity) || value > (max ?? Infinity)) return {};
    const steps = step === undefined ? 0 : (value - (min ?? 0)) / step;
    if (Math.abs(steps - Math.round(steps)) > ROUNDING) return {};
  }
  return {
    ...(min === undefined ? {} : { minValue: min }),
    ...(max === undefined ? {} : { maxValue: max }),
    ...(step === undefined ? {} : { step }),
  };
}

function objectFields(schema: Schema, definitions: Definitions): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, each]) => field(name, each, definitions));
}

function field(name: string, written: Schema, definitions: Definitions): Field {
  const alternatives = (written.anyOf ?? [written]).map((each) => resolved(each, definitions));
  const values = alternatives.filter(({ type }) => type !== "null");
  const [only = {}] = values;
  const shape: Shape = values.length === 1 ? shapeOf(only, definitions) : { kind: "other" };
  const initial = firstOf(written.default, written.examples?.[0], only.examples?.[0]) ?? beginning(shape);
  const isNullable = values.length < alternatives.length;
  const standard = written.default === undefined ? (isNullable ? null : initial) : written.default;
  return { name, shape, isNullable, initial, default: standard };
}

function resolved(schema: Schema, definitions: Definitions): Schema {
  const name = schema.$ref?.split("/").at(-1);
  return name === undefined ? schema : { ...definitions[name], ...schema };
}

function shapeOf(schema: Schema, definitions: Definitions): Shape {
  if (schema.enum !== undefined) {
    const options = schema.enum.filter((each) => typeof each === "string");
    return options.length === schema.enum.length ? { kind: "choice", options } : { kind: "other" };
  }
  switch (schema.type) {
    case "number":
    case "integer":
      return numberShape(schema);
    case "boolean":
      return { kind: "boolean" };
    case "string":
      return { kind: "text", isTime: schema.format === "time", maxLength: schema.maxLength };
    case "object":
      return { kind: "object", fields: objectFields(schema, definitions) };
    default:
      return { kind: "other" };
  }
}

/** A bound that is itself excluded is one step away. */
function numberShape(schema: Schema): Shape {
  const step = schema["x-step"] ?? (schema.type === "integer" ? 1 : undefined);
  const { exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  return {
    kind: "number",
    min: schema.minimum ?? (above === undefined ? undefined : above + (step ?? 0)),
    max: schema.maximum ?? (below === undefined ? undefined : below - (step ?? 0)),
    step,
  };
}

function firstOf(...values: (Json | undefined)[]): Json | undefined {
  return values.find((value) => value !== undefined && value !== null);
}

function beginning(shape: Shape): Json {
  switch (shape.kind) {
    case "number":
      return shape.min ?? 0;
    case "boolean":
      return false;
    case "choice":
      return shape.options[0] ?? "";
    case "text":
      return "";
    case "object":
      return defaultsOf(shape.fields);
    case "other":
      return null;
  }
}
