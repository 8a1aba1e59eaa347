// What the page says, in both languages. Names of labels and messages about requests come from the server.

export const LANGUAGES = { en: "English", zh: "中文" };

const TEXTS = {
  en: {
    "docs": "Interface (OpenAPI)",
    "models": "Models",
    "kind.label": "Classifies a text",
    "kind.pair": "Compares two texts",
    "kind.spans": "Extracts spans of a text",
    "kind.candidates": "Fills in each [MASK]",
    "kind.variants": "Words a text differently",
    "kind.outputs": "Writes a text",
    "kind.fields": "Answers a text",
    "text": "Text",
    "text.first": "First text",
    "text.second": "Second text",
    "examples": "Examples",
    "options": "Options",
    "default": "default",
    "run": "Run",
    "stop": "Stop",
    "hint": "Ctrl+Enter runs it",
    "working": "Working …",
    "writing": "Writing …",
    "stopped": "Stopped.",
    "done": "Done in {seconds} s.",
    "failed": "The service does not answer. Is it still running?",
    "truncated": "The text is longer than the model reads; only its beginning was used.",
    "unsure": "The model is not sure: another label is nearly as probable.",
    "legend.for": "supports the label",
    "legend.against": "speaks against it",
    "more": "Show all {count} labels",
    "probability": "Probability",
    "triplets": "Opinions",
    "triplet.aspect": "Aspect",
    "triplet.opinion": "Opinion",
    "triplet.polarity": "Polarity",
    "implicit": "(implicit)",
    "none": "Nothing was found.",
    "spans": "Spans",
    "span": "Span",
    "label": "Label",
    "candidates": "Candidates for mask {number}: choose one",
    "fillings": "Fillings of the whole text",
    "variant": "Variant {number}",
    "variant.similarity": "similarity {value}",
    "use": "Use this text",
    "continue": "Continue from here",
    "file": "Choose a file of texts",
    "file.hint": "or drop it here: .txt with a text on each line, .csv, .tsv or .jsonl",
    "file.reading": "{done} of {count} texts",
    "file.done": "{count} texts of {name}",
    "file.cut": "The first {count} of {total} texts were used.",
    "file.empty": "{name}: holds no texts.",
    "file.skipped": "{count} texts could not be used: {reason}",
    "file.save": "Save the records (JSON lines)",
    "summary": "Summary",
    "summary.mentions": "Opinions",
    "summary.share": "Share",
    "summary.count": "Texts",
    "summary.score": "Mean probability",
    "summary.rows": "The first {count} texts",
    "option.explain": "Colour the characters that count",
    "option.analogy": "Three words are a question",
    "option.top_k": "Number of most probable ones",
    "option.outputs.top_k": "Most probable characters to draw from",
    "option.top_p": "Sum of the probabilities to draw from",
    "option.min_p": "Least share of the highest probability",
    "option.temperature": "Temperature",
    "option.max_new_tokens": "Characters to write",
    "option.repetition_penalty": "Penalty for repetition",
    "option.no_repeat_window": "Characters without repetition",
    "option.num_beams": "Beams",
    "option.length_penalty": "Length penalty of beams",
    "option.num_return_sequences": "Number of outputs",
    "option.n_variants": "Number of variants",
    "option.share": "Share of the words to replace",
    "option.rounds": "Rounds",
    "option.min_similarity": "Least similarity",
    "option.seed": "Random seed",
    "docs.title": "The interface of this service",
    "docs.page": "Back to the page",
    "docs.body": "Body",
    "docs.answer": "Answers",
    "docs.example": "Example",
    "docs.field": "Field",
    "docs.type": "Type",
    "docs.meaning": "Meaning",
    "docs.try": "Send",
    "docs.raw": "openapi.json",
  },
  zh: {
    "docs": "接口说明（OpenAPI）",
    "models": "模型",
    "kind.label": "给文本分类",
    "kind.pair": "比较两段文本",
    "kind.spans": "从文本中抽取片段",
    "kind.candidates": "填写每个 [MASK]",
    "kind.variants": "换一种说法",
    "kind.outputs": "写出文本",
    "kind.fields": "对文本作答",
    "text": "文本",
    "text.first": "第一句",
    "text.second": "第二句",
    "examples": "示例",
    "options": "选项",
    "default": "默认",
    "run": "运行",
    "stop": "停止",
    "hint": "Ctrl+Enter 运行",
    "working": "正在计算……",
    "writing": "正在生成……",
    "stopped": "已停止。",
    "done": "完成，用时 {seconds} 秒。",
    "failed": "服务没有响应，它还在运行吗？",
    "truncated": "文本超过模型能读的长度，只用了开头部分。",
    "unsure": "模型没有把握：另一个标签的概率几乎一样高。",
    "legend.for": "支持该标签",
    "legend.against": "不支持该标签",
    "more": "显示全部 {count} 个标签",
    "probability": "概率",
    "triplets": "观点",
    "triplet.aspect": "方面词",
    "triplet.opinion": "观点词",
    "triplet.polarity": "倾向",
    "implicit": "（未写出）",
    "none": "没有找到任何内容。",
    "spans": "片段",
    "span": "片段",
    "label": "标签",
    "candidates": "第 {number} 个空的候选：点一个",
    "fillings": "整句的填法",
    "variant": "改写 {number}",
    "variant.similarity": "相似度 {value}",
    "use": "用这个文本",
    "continue": "从这里接着写",
    "file": "选择文本文件",
    "file.hint": "或把它拖到这里：每行一条文本的 .txt，或 .csv、.tsv、.jsonl",
    "file.reading": "已完成 {done} 条，共 {count} 条",
    "file.done": "{name} 中的 {count} 条文本",
    "file.cut": "只用了前 {count} 条，共 {total} 条。",
    "file.empty": "{name}：没有文本。",
    "file.skipped": "有 {count} 条文本无法使用：{reason}",
    "file.save": "保存结果（JSON lines）",
    "summary": "汇总",
    "summary.mentions": "观点数",
    "summary.share": "占比",
    "summary.count": "文本数",
    "summary.score": "平均概率",
    "summary.rows": "前 {count} 条文本",
    "option.explain": "给起作用的字上色",
    "option.analogy": "三个词组成类比题",
    "option.top_k": "取概率最高的几个",
    "option.outputs.top_k": "从概率最高的几个字中抽取",
    "option.top_p": "抽样范围的概率之和",
    "option.min_p": "与最高概率之比的下限",
    "option.temperature": "温度",
    "option.max_new_tokens": "生成的字数",
    "option.repetition_penalty": "重复惩罚",
    "option.no_repeat_window": "多少字内不重复",
    "option.num_beams": "束宽",
    "option.length_penalty": "束搜索的长度惩罚",
    "option.num_return_sequences": "输出的个数",
    "option.n_variants": "改写的个数",
    "option.share": "替换词的比例",
    "option.rounds": "轮数",
    "option.min_similarity": "相似度下限",
    "option.seed": "随机种子",
    "docs.title": "本服务的接口",
    "docs.page": "返回页面",
    "docs.body": "请求体",
    "docs.answer": "响应",
    "docs.example": "示例",
    "docs.field": "字段",
    "docs.type": "类型",
    "docs.meaning": "含义",
    "docs.try": "发送",
    "docs.raw": "openapi.json",
  },
};

let chosen = "en";

/** Chooses the language: that of the address (?lang=zh), else the one chosen before, else the browser's. */
export function chooseLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? remembered() ?? navigator.language.slice(0, 2);
  setLanguage(asked in TEXTS ? asked : "en");
}

export function setLanguage(language) {
  chosen = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  try {
    localStorage.setItem("language", language);
  } catch {
    // a browser may forbid it
  }
}

export function currentLanguage() {
  return chosen;
}

function remembered() {
  try {
    return localStorage.getItem("language");
  } catch {
    return null;
  }
}

/** Returns a text with its values; the name itself if there is none. */
export function text(name, values = {}) {
  const found = TEXTS[chosen][name] ?? name;
  return found.replace(/\{(\w+)\}/g, (_whole, key) => values[key]);
}

/** Returns the text for an option of models with records of a kind, or its name in the interface. */
export function optionText(name, kind) {
  return TEXTS[chosen][`option.${kind}.${name}`] ?? TEXTS[chosen][`option.${name}`] ?? name;
}

/** Returns a probability as a percentage. */
export function percent(value, digits = 1) {
  return `${(100 * value).toFixed(digits)} %`;
}
