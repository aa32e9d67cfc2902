"""Tables and pictures made from score files; nothing here imports torch."""
