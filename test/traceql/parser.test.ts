import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/traceql/duration.ts";
import { fieldText } from "../../src/traceql/field-text.ts";
import { parseQuery, parseTagName } from "../../src/traceql/parser.ts";
import { printField, printQuery } from "../../src/traceql/print.ts";
import { TraceQLError } from "../../src/traceql/traceql-error.ts";

function errorOf(text: string): TraceQLError {
  try {
    parseQuery(text);
  } catch (e) {
    if (e instanceof TraceQLError) return e;
    throw e;
  }
  throw new Error(`parsed: ${text}`);
}

function field(text: string): string {
  const stage = parseQuery(`{ ${text} }`).stages[0];
  if (stage?.type !== "filter") throw new Error("no filter");
  return printField(stage.expr);
}

describe("precedence", () => {
  test.each([
    [".a || .b && .c", "(.a || .b) && .c"],
    ["1 < 2 = true", "(1 < 2) = true"],
    ["-.a + .b", "(-.a) + .b"],
    ["-.a * .b", "-(.a * .b)"],
    ["-2 ^ 2", "-(2 ^ 2)"],
    ["2 ^ 3 ^ 2", "2 ^ (3 ^ 2)"],
    ["!.a = .b", "(!.a) = .b"],
    ["!.a && .b", "(!.a) && .b"],
    ["!.a * .b", "!(.a * .b)"],
    [".a + .b != nil", "(.a + .b) != nil"],
    ["nil != .a + 1", "(.a + 1) != nil"],
    [".a - .b - .c", "(.a - .b) - .c"],
    [".a && .b && .c", ".a && .b && .c"],
    [".a && (.b && .c)", ".a && (.b && .c)"],
    [".a + .b * .c", ".a + (.b * .c)"],
    ["nil = nil", "false"],
    ["nil != nil", "false"],
  ])("%s reads %s", (text, expected) => {
    expect(field(text)).toBe(expected);
  });

  test.each([
    ["{.a} || {.b} && {.c}", "{ .a } || { .b } && { .c }"],
    ["{.a} || ({.b} && {.c})", "{ .a } || ({ .b } && { .c })"],
    ["({.a} || {.b}) > {.c}", "({ .a } || { .b }) > { .c }"],
    ["{.a} && {.b} >> {.c}", "{ .a } && ({ .b } >> { .c })"],
    ["{.a} >> {.b} ~ {.c}", "{ .a } >> { .b } ~ { .c }"],
    ["{.a} || {.b} &>> {.c}", "{ .a } || ({ .b } &>> { .c })"],
    ["{.a} !~ {.b} &< {.c} && {.d}", "{ .a } !~ { .b } &< { .c } && { .d }"],
    ["({} | by(.a)) && {.b} > {.c}", "({ true } | by(.a)) && ({ .b } > { .c })"],
    ["count() + 1 * 2 > sum(.a) - 1 - 1", "count() + (1 * 2) > (sum(.a) - 1) - 1"],
    ["-5 < count() ^ 2 ^ 3", "-5 < count() ^ (2 ^ 3)"],
    ["({})", "{ true }"],
    ["{} | max((.a + 1) * 2) > 1", "{ true } | max((.a + 1) * 2) > 1"],
    ["{} | by(span.n*2)", "{ true } | by(span.n*2)"],
    ["{} | by(span.n * 2)", "{ true } | by(span.n * 2)"],
  ])("%s reads %s", (text, expected) => {
    expect(printQuery(parseQuery(text))).toBe(expected);
  });
});

describe("tokens", () => {
  test.each([
    ["span.a+1 = 2", "span.a+1 = 2"],
    ["span.a + 1 = 2", "(span.a + 1) = 2"],
    ["span.retry-1 > 0", "span.retry-1 > 0"],
    ['span."my key".x = 1', 'span."my key.x" = 1'],
    ['.a"b c"d', '."ab cd"'],
    ['resource."k8s.pod" = `x`', "resource.k8s.pod = `x`"],
    ["span.5xx", "span.5xx"],
    ['."5xx"', '."5xx"'],
    ["parent.span.x = 1", "parent.span.x = 1"],
    ["span.resource.x", "span.resource.x"],
    ["parent.event.x", "parent.event.x"],
    [".name = 1", ".name = 1"],
    ["span:  name = `x`", "name = `x`"],
    ["trace:rootService = `x`", "rootServiceName = `x`"],
    ["duration<-1", "duration < (-1)"],
    [".a =! .b", ".a = (!.b)"],
    ["duration > 1d12h", "duration > 36h0m0s"],
    ["duration > .5s", "duration > 500ms"],
    ["duration > 1.5h", "duration > 1h30m0s"],
    ["duration > 3d-1h", "duration > (72h0m0s - 1h0m0s)"],
    ["duration > 007", "duration > 7"],
    [".a = 1e3", ".a = 1000.0"],
    [".a = 1.", ".a = 1.0"],
    [".a = maxInt", ".a = 9223372036854775807"],
    [".a = minInt", ".a = minInt"],
    ['name = "\\x41\\u00e9\\101\\n"', "name = `AéA\n`"],
    ['name = "\\xc3\\xa9"', "name = `é`"],
    ["name = `a\r\nb\\d`", "name = `a\nb\\d`"],
    ["/* c */ .a // rest }\n", ".a"],
    [".a//b", ".a//b"],
    ["status=error&&kind=server", "(status = error) && (kind = server)"],
  ])("%s reads %s", (text, expected) => {
    expect(field(text)).toBe(expected);
  });

  test.each([
    "",
    "   ",
    "{",
    "{ }}",
    "{ .a == 1 }",
    "{ .a and .b }",
    "{ .a !=~ `x` }",
    "{ .a } >= { .b }",
    "{ .a & .b }",
    "{ name = 'x' }",
    '{ name = "\\d" }',
    '{ name = "a\nb" }',
    '{ name = "x }',
    "{ name = `x }",
    '{ name = "\\uD800" }',
    "{ duration > 5 ms }",
    "{ duration > 5mb }",
    "{ duration > 1d1.5h }",
    "{ duration > 1d5us }",
    "{ .a = 0x1F }",
    "{ .a = 1_000 }",
    "{ .a = 08 }",
    "{ .a = 9223372036854775808 }",
    "{ .a = 1e }",
    "{ .a = 1e999 }",
    "{ span. foo = 1 }",
    '{ span."a\\n" = 1 }',
    '{ span."a = 1 }',
    "{ span :name = `x` }",
    "{ trace:name = `x` }",
    "{ childCount = 1 }",
    "{ :duration > 1 }",
    "{ foo = 1 }",
    "{ .x > nil }",
    "{ nil }",
    "by(nil)",
    "coalesce()",
    "{} | count()",
    "{} | rate() by (1)",
    "{} | topk(3)",
    "{} > 3",
    "{} + {}",
    "{} | `x` < count()",
    "{} | count() > 1 > 2",
    "{} | compare({}, 1, 2)",
    "rate()",
    "({} | count() > 1) | count() > 1",
    "({} | count() > 1) && {} | rate()",
    "{} with(rate=1)",
    "{} with(a=-1)",
    "{} with(a=nil)",
    "{} /* open",
    "{ [1] = 1 }",
    "{ .a in (1) }",
    "{};",
  ])("refuses %j with a position", (text) => {
    const error = errorOf(text);
    expect(error.kind).toBe("invalid");
    expect(error.position).toBeDefined();
    expect(error.message).toMatch(/^parse error at line \d+, col \d+: ./);
  });

  test("the position counts lines and Unicode characters", () => {
    expect(errorOf("{ name = `😀` &&\n  `é` = foo }").position).toEqual({ line: 2, column: 9 });
  });

  test("an unknown word gets a hint", () => {
    expect(errorOf("{ foo = 1 }").message).toContain("unknown identifier foo");
    expect(errorOf("{ foo = 1 }").message).toContain("span.foo");
  });
});

describe("pipelines", () => {
  test.each([
    "({} | count() > 1) && ({})",
    "({}) && ({} | count() > 1)",
    "({} | count() > 1) && {}",
    "(by(kind)) || {}",
    "by(kind) | count() > 2",
    "select(name, span.x)",
    "count() > 3",
    "3 < count()",
    "-5 < count()",
    "({} | count()) > ({} | count())",
    "({} | count()) + 1 > 3",
    "(({} | count() > 1))",
    "{} | by(name) | coalesce() | count() = 6",
    "{ .a } !>> { .b } &~ { .c }",
    "{} | quantile_over_time(duration, .5, 1) by(kind) | topk(3) > 5 with(sample=true)",
    "{} | compare({ status = error }, 10, 1, 2)",
    "{} | rate() by(span.a, .b) > 500ms | bottomk(2)",
    "{} with(a=1) with(b=`x`, c=error)",
    "({nestedSetParent<0 && true} &>> { kind = server }) || ({nestedSetParent<0 && true}) | select(status, resource.service.name, name)",
  ])("%s prints to a text with the same tree", (text) => {
    const query = parseQuery(text);
    expect(parseQuery(printQuery(query))).toEqual(query);
  });

  test("the last with() wins", () => {
    const { hints } = parseQuery("{} with(a=1) with(b=2)");
    expect(hints).toEqual([{ name: "b", value: { type: "int", value: 2n } }]);
  });
});

describe("hostile texts", () => {
  const long = "x".repeat(100_000);
  test.each([
    ["(".repeat(50_000)],
    [`{ ${"(".repeat(50_000)}`],
    [`{ ${"!".repeat(50_000)}.a }`],
    [`{ ${"- ".repeat(50_000)}.a }`],
    [`{ ${"2 ^ ".repeat(50_000)}2 }`],
    ["({} | ".repeat(20_000)],
    [Array.from({ length: 20_000 }, () => "{ .a }").join(" && ")],
    [`{ ${Array.from({ length: 20_000 }, () => ".a").join(" || ")} }`],
    [`{ ${long} = 1 }`],
    [`{ .a = ${"9".repeat(100_000)} }`],
    [`{ .a > ${"1m".repeat(50_000)} ! }`],
    [`{ \`${long}`],
  ])("%.20s… is a clear error", (text) => {
    const error = errorOf(text);
    expect(error.message.length).toBeLessThan(400);
  });

  test("a chain of thousands of filters parses and prints", () => {
    const text = Array.from({ length: 3000 }, (_, i) => `{ .a${i} }`).join(" && ");
    const query = parseQuery(text);
    expect(parseQuery(printQuery(query))).toEqual(query);
  });

  test("no text makes it throw anything but a TraceQLError", () => {
    const piece = fc.constantFrom(
      ...'{ } ( ) | || && ! = != =~ < > >> - + * ^ , nil .a span.b name span: event: 5 1.5 10ms `x` "\\ \' by( select( count() rate( with( // /* " ` é 😀 parent. true error compare( topk(1)'.split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 15 }), fc.constantFrom(" ", ""), (parts, glue) => {
        const text = parts.join(glue);
        try {
          const query = parseQuery(text);
          expect(parseQuery(printQuery(query))).toEqual(query);
        } catch (e) {
          if (!(e instanceof TraceQLError)) throw e;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("tag names", () => {
  test.each([
    [".foo", ".foo"],
    ["span.foo", "span.foo"],
    ['resource."a b"', 'resource."a b"'],
    ["name", "name"],
    ["span:name", "name"],
    ["event.exception.message", "event.exception.message"],
    ["instrumentation:version", "instrumentation:version"],
  ])("%s is %s", (text, expected) => {
    expect(fieldText(parseTagName(text))).toBe(expected);
  });
  test.each(["", "foo", "span.", "span.a = 1", "5", "nil", "true", ".a .b"])(
    "%j is none",
    (text) => {
      expect(() => parseTagName(text)).toThrow(TraceQLError);
    },
  );
});

describe("durations", () => {
  test.each([
    [0n, "0s"],
    [5n, "5ns"],
    [1_500n, "1.5µs"],
    [20_000n, "20µs"],
    [1_500_000n, "1.5ms"],
    [800_000_000n, "800ms"],
    [1_500_000_000n, "1.5s"],
    [90_000_000_000n, "1m30s"],
    [120_000_000_000n, "2m0s"],
    [3_600_000_000_000n, "1h0m0s"],
    [-1_500_000_000n, "-1.5s"],
  ])("%s ns is %s", (nanos, text) => {
    expect(formatDuration(nanos)).toBe(text);
  });
  test("every duration's text is read back as itself", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (nanos) => {
        expect(parseDuration(formatDuration(nanos))).toBe(nanos);
      }),
    );
  });
});
