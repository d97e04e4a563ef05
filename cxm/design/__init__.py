"""The design system: components, page shell, islands, icons. No models, no business words."""
