import { describe } from "vitest";
import { kafkaSuite } from "../support/e2e-kafka.ts";
import { FakeKafka } from "../support/fake-kafka.ts";

describe("with a fake of a broker", () => {
  kafkaSuite(() => FakeKafka.open());
});
