import type { Route } from "./http.ts";
import type { Message } from "./queue-client.ts";

const MAX_WAITING_MESSAGES = 1000;
const LONG_POLL_MS = 2_000;

/** A queue per topic in memory: each message goes to one consumer, once. */
export function brokerRoutes(): Route[] {
  const topics = new Map<string, { messages: Message[]; wake: Set<() => void> }>();
  const topicNamed = (name: string) => {
    const topic = topics.get(name) ?? { messages: [], wake: new Set<() => void>() };
    topics.set(name, topic);
    return topic;
  };
  return [
    {
      method: "POST",
      path: "/topics/{topic}",
      async handle({ parameters, body }) {
        const topic = topicNamed(parameters.topic!);
        if (topic.messages.length >= MAX_WAITING_MESSAGES) {
          return { status: 503, body: { error: "the topic is full" } };
        }
        topic.messages.push(body as Message);
        for (const wake of topic.wake) wake();
        return { status: 202, body: {} };
      },
    },
    {
      method: "GET",
      path: "/topics/{topic}",
      async handle({ parameters, query }) {
        const topic = topicNamed(parameters.topic!);
        if (topic.messages.length === 0) {
          await new Promise<void>((resolve) => {
            const done = (): void => {
              clearTimeout(timer);
              topic.wake.delete(done);
              resolve();
            };
            const timer = setTimeout(done, LONG_POLL_MS);
            topic.wake.add(done);
          });
        }
        const max = Math.max(1, Number(query.get("max") ?? 1));
        return { status: 200, body: { messages: topic.messages.splice(0, max) } };
      },
    },
  ];
}
