// In a search, a constant of the reference stands behind all else.
Scorer.score = ([, , , kind, points]) => ((kind || "").startsWith("Python data") ? points - 20 : points);
