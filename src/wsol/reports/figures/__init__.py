"""The papers' figures: images chosen by rule, maps on a stated colour scale, drawn for print."""
