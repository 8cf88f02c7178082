/** The query as a rule file of Prometheus, which is what evaluates alerts. */
export function ruleText(expression: string, threshold: number | null): string {
  const condition = `${expression.trim()} > ${threshold ?? "THRESHOLD"}`;
  return [
    "groups:",
    "  - name: observastack",
    "    rules:",
    "      - alert: NameOfTheAlert",
    "        expr: |",
    ...condition.split("\n").map((line) => `          ${line}`),
    "        for: 5m",
    "        labels:",
    "          severity: warning",
    "        annotations:",
    "          summary: What is wrong, in one sentence",
    "          description: What it means for users, and what to look at",
    "",
  ].join("\n");
}
