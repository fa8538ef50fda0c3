// hostile.mjs: texts that a model or a tool may write, and that a page has to survive.
const ESC = "\x1b";

export const HOSTILE = {
  html: "<img src=x onerror=alert(1)><script>alert(1)</script><iframe src=//e.org></iframe>\n\n" +
    "<svg onload=alert(1)><style>*{display:none}</style></svg>\n<base href=//e.org>",
  links: "[a](javascript:alert(1)) [b](JaVa&#x73;cript&colon;alert(1)) <javascript:alert(1)> " +
    "[c](data:text/html,<script>alert(1)</script>) ![d](https://e.org/x.png) [e](//e.org) " +
    "[f]\n\n[f]: vbscript:x\n\n![g](javascript:alert(1)) " +
    "[![h](https://e.org/y.png)](https://e.org)",
  escapes: `${ESC}[31mred${ESC}[0m ${ESC}]0;title\x07 \x9b2J \`${ESC}[1m\``,
  turned: "user \u202egpj.exe\u202c \u2066x\u2069 \u200f\u061c [\u202etxt](https://e.org/\u202ex)",
  line: "word ".repeat(210_000),
  unbroken: "x".repeat(1 << 20),
  code: `~~~js\n${"x".repeat(1 << 20)}\n~~~`,
  links5000: "[a](b".repeat(5000),
  stars: "**a *b ".repeat(5000),
  quotes: ">".repeat(5000),
  brackets: "[".repeat(1 << 20),
  emphasis: "*a".repeat(1 << 19),
  columns: `|${"a|".repeat(3000)}\n|${"-|".repeat(3000)}\n|${"b|".repeat(3000)}\n`,
  list: Array.from({ length: 400 }, (_, at) => `${" ".repeat(at)}- x\n`).join(""),
  template: `~~~js\n${"`${".repeat(10_000)}\n~~~`,
};
