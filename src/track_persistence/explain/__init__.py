"""Evidence, prompts, language-model clients, the response store and the rule-based analyst."""
