"""The page for people: four tabs over the same parts that the interface uses. The only place that knows Gradio."""
