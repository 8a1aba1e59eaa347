"""Documents for pretraining: corpora, chapters, passages and near-duplicates."""
