import type { CompareOp, FieldExpr, RegexOp, Static } from "../ast.ts";
import { fieldText } from "../field-text.ts";
import { logicOperands } from "../walk.ts";
import { arithmetic, negative } from "./arithmetic.ts";
import { and, type Bool, FALSE, neverNull, not, nullable, or, TRUE, total } from "./bool.ts";
import { compareValues, matchValue } from "./compare.ts";
import {
  eventsColumn,
  type FieldSource,
  fieldValue,
  firstListValue,
  type ListContext,
  linksColumn,
  listOfField,
} from "./field-value.ts";
import { LambdaNames } from "./names.ts";
import type { SegmentShape } from "./segment-shape.ts";
import { joinSql, type Sql, sql } from "./sql.ts";
import {
  ABSENT,
  listTypes,
  literalSql,
  literalValue,
  occupied,
  presence,
  scalar,
  scalarTypes,
  unwrapped,
  type Value,
} from "./value.ts";

const NO_LISTS: ListContext = {};

/** Which lists the operands of one comparison read, not counting comparisons within them. */
type Lists = { event: boolean; link: boolean };

/**
 * Compiles expressions over the columns of one row, which go unqualified. The names of lambdas are
 * unique within one compiler.
 */
export class ExprCompiler {
  readonly #shape: SegmentShape;
  readonly names = new LambdaNames();

  constructor(shape: SegmentShape) {
    this.#shape = shape;
  }

  /** The value of `expr` on a row. Of a field of events or links the first one that has it counts. */
  value(expr: FieldExpr): Value {
    return this.#value(expr, NO_LISTS);
  }

  /** In a pure chain of `&&`, all comparisons with events hold on one event, and so for links. */
  filter(expr: FieldExpr): Bool {
    const operands = logicOperands(expr, "&&");
    if (operands.length === 1 || operands.some(isLogical)) {
      return this.#condition(expr, NO_LISTS, false);
    }
    const plain: Bool[] = [];
    const ofEvents: FieldExpr[] = [];
    const ofLinks: FieldExpr[] = [];
    const ofBoth: FieldExpr[] = [];
    for (const operand of operands) {
      const lists = listsOf(operand);
      if (lists.event && lists.link) ofBoth.push(operand);
      else if (lists.event) ofEvents.push(operand);
      else if (lists.link) ofLinks.push(operand);
      else plain.push(this.#condition(operand, NO_LISTS, true));
    }
    const parts = plain;
    const all = (group: readonly FieldExpr[]) => (context: ListContext) =>
      and(group.map((operand) => this.#atom(operand, context, true)));
    if (ofBoth.length > 0) {
      const group = [...ofEvents, ...ofLinks, ...ofBoth];
      parts.push(this.#someOf({ event: true, link: true }, NO_LISTS, all(group)));
    } else {
      if (ofEvents.length > 0) {
        parts.push(this.#someOf({ event: true, link: false }, NO_LISTS, all(ofEvents)));
      }
      if (ofLinks.length > 0) {
        parts.push(this.#someOf({ event: false, link: true }, NO_LISTS, all(ofLinks)));
      }
    }
    return and(parts);
  }

  /** True for some element of each of `lists` that `context` does not name yet. */
  #someOf(lists: Lists, context: ListContext, test: (context: ListContext) => Bool): Bool {
    if (lists.event && context.event === undefined) {
      if (!this.#shape.hasEvents) return FALSE;
      return this.#some(eventsColumn(), (event) =>
        this.#someOf(lists, { ...context, event }, test),
      );
    }
    if (lists.link && context.link === undefined) {
      if (!this.#shape.hasLinks) return FALSE;
      return this.#some(linksColumn(), (link) => this.#someOf(lists, { ...context, link }, test));
    }
    return test(context);
  }

  #some(list: Sql, test: (item: Sql) => Bool): Bool {
    let never = false;
    const found = this.names.some(list, (item) => {
      const inner = test(item);
      never = inner === FALSE;
      return inner.sql;
    });
    return never ? FALSE : nullable(found);
  }

  /** `operand`: the condition stands beside `&&` or `||`, where a true element makes an array true. */
  #condition(expr: FieldExpr, context: ListContext, operand: boolean): Bool {
    if (expr.type === "binary" && expr.op === "&&") {
      return and(logicOperands(expr, "&&").map((part) => this.#condition(part, context, true)));
    }
    if (expr.type === "binary" && expr.op === "||") return this.#alternatives(expr, context);
    if (expr.type === "unary" && expr.op === "!" && isCondition(expr.operand)) {
      return not(this.#condition(expr.operand, context, false));
    }
    return this.#someOf(listsOf(expr), context, (inner) => this.#atom(expr, inner, operand));
  }

  /** A chain of `||`; equalities of one field with literals become one membership test. */
  #alternatives(expr: FieldExpr, context: ListContext): Bool {
    const parts: Bool[] = [];
    const sets = new Map<string, { value: Value; literals: Static[]; at: number }>();
    for (const part of logicOperands(expr, "||")) {
      const equality = this.#simpleEquality(part);
      if (equality === undefined) {
        parts.push(this.#condition(part, context, true));
        continue;
      }
      const known = sets.get(equality.key);
      if (known !== undefined) {
        known.literals.push(equality.literal);
        continue;
      }
      sets.set(equality.key, {
        value: equality.value,
        literals: [equality.literal],
        at: parts.length,
      });
      parts.push(FALSE);
    }
    for (const { value, literals, at } of sets.values()) {
      parts[at] = this.#membership(value, literals);
    }
    return or(parts);
  }

  /** `field = literal` on one column whose type is the literal's. */
  #simpleEquality(expr: FieldExpr): { key: string; value: Value; literal: Static } | undefined {
    if (expr.type !== "binary" || expr.op !== "=") return undefined;
    const swapped = expr.left.type === "static";
    const field = swapped ? expr.right : expr.left;
    const literal = swapped ? expr.left : expr.right;
    if (field.type !== "field" || literal.type !== "static") return undefined;
    if (listOfField(field.field) !== undefined) return undefined;
    const type = literal.value.type;
    if (type !== "string" && type !== "int" && type !== "status" && type !== "kind")
      return undefined;
    const value = fieldValue(field.field, this.#source(NO_LISTS));
    const types = scalarTypes(value);
    if (value.id !== undefined || types.length !== 1 || types[0] !== type) return undefined;
    if (listTypes(value).length > 0) return undefined;
    return { key: fieldText(field.field), value, literal: literal.value };
  }

  #membership(value: Value, literals: readonly Static[]): Bool {
    const text = value.scalars[scalarTypes(value)[0]!]!;
    const first = literals[0]!;
    if (literals.length === 1) {
      return compareValues("=", value, literalValue(first), this.names);
    }
    const list = joinSql(literals.map(literalSql), ", ");
    return { sql: sql`list_contains([${list}], ${text})`, total: value.present };
  }

  /** A comparison, nil test or bare value, with the lists it reads bound in `context`. */
  #atom(expr: FieldExpr, context: ListContext, operand: boolean): Bool {
    if (expr.type === "exists") {
      return exists(this.#value(expr.operand, context), expr.negated);
    }
    if (expr.type === "binary" && isComparison(expr.op)) {
      const left = this.#value(expr.left, context);
      if (expr.op === "=~" || expr.op === "!~") return this.#match(expr, expr.op, left);
      return compareValues(expr.op, left, this.#value(expr.right, context), this.names);
    }
    return truth(this.#value(expr, context), operand, this.names);
  }

  #match(expr: FieldExpr & { type: "binary" }, op: RegexOp, left: Value): Bool {
    if (expr.right.type !== "static" || expr.right.value.type !== "string") {
      throw new Error("a regular expression that is no literal was not refused by the checker");
    }
    return matchValue(op, left, expr.right.value.value, this.names);
  }

  #value(expr: FieldExpr, context: ListContext): Value {
    if (isCondition(expr)) {
      if (expr.type === "static") return literalValue(expr.value);
      // A comparison inside another one looks at events of its own.
      return scalar("bool", neverNull(this.#condition(expr, NO_LISTS, false)), true);
    }
    switch (expr.type) {
      case "static":
        return literalValue(expr.value);
      case "field": {
        const list = listOfField(expr.field);
        const source = this.#source(context);
        if (list === undefined || context[list] !== undefined)
          return fieldValue(expr.field, source);
        return firstListValue(list, expr.field, source);
      }
      case "unary": {
        const value = this.#value(expr.operand, context);
        return expr.op === "-" ? negative(value, this.names) : negated(value, this.names);
      }
      case "binary":
        return arithmetic(
          expr.op as Parameters<typeof arithmetic>[0],
          this.#value(expr.left, context),
          this.#value(expr.right, context),
          this.names,
        );
      case "exists":
        throw new Error("a nil test is a condition");
      default:
        return expr satisfies never;
    }
  }

  #source(context: ListContext): FieldSource {
    return { shape: this.#shape, names: this.names, context };
  }
}

/** `!x` of a value that is no comparison: nil stays nil. */
function negated(value: Value, names: LambdaNames): Value {
  const bool = unwrapped(value, names).scalars.bool;
  return bool === undefined ? ABSENT : scalar("bool", sql`(NOT ${bool})`, value.present);
}

function truth(value: Value, operand: boolean, names: LambdaNames): Bool {
  if (value.literal !== undefined) {
    return value.literal.type === "bool" && value.literal.value ? TRUE : FALSE;
  }
  const parts: Bool[] = [];
  const { bool } = operand ? value.scalars : unwrapped(value, names).scalars;
  if (bool !== undefined) parts.push({ sql: bool, total: value.present });
  const list = operand ? value.lists.bool : undefined;
  if (list !== undefined) parts.push(nullable(sql`list_contains(${list}, TRUE)`));
  return or(parts);
}

function exists(value: Value, negatedTest: boolean): Bool {
  if (value.present) return negatedTest ? FALSE : TRUE;
  const there = negatedTest ? occupied(value) : presence(value);
  if (there === undefined) return negatedTest ? TRUE : FALSE;
  return total(negatedTest ? sql`(NOT ${there})` : there);
}

function isComparison(op: string): op is CompareOp | RegexOp {
  return ["=", "!=", "<", "<=", ">", ">=", "=~", "!~"].includes(op);
}

/** Whether an expression is true or false on every span, unlike a value, which may be nil. */
function isCondition(expr: FieldExpr): boolean {
  switch (expr.type) {
    case "static":
      return expr.value.type === "bool";
    case "field":
      return false;
    case "exists":
      return true;
    case "unary":
      return expr.op === "!" && isCondition(expr.operand);
    case "binary":
      return expr.op === "&&" || expr.op === "||" || isComparison(expr.op);
    default:
      return expr satisfies never;
  }
}

/** `||`, or the negation of a condition: beside these, each comparison has events of its own. */
function isLogical(expr: FieldExpr): boolean {
  if (expr.type === "binary") return expr.op === "||" || expr.op === "&&";
  return expr.type === "unary" && expr.op === "!" && isCondition(expr.operand);
}

function listsOf(expr: FieldExpr): Lists {
  const lists: Lists = { event: false, link: false };
  const visit = (node: FieldExpr, root: boolean): void => {
    if (node.type === "field") {
      const list = listOfField(node.field);
      if (list !== undefined) lists[list] = true;
      return;
    }
    if (!root && isCondition(node)) return;
    if (node.type === "unary" || node.type === "exists") visit(node.operand, false);
    if (node.type === "binary") {
      visit(node.left, false);
      visit(node.right, false);
    }
  };
  visit(expr, true);
  return lists;
}
