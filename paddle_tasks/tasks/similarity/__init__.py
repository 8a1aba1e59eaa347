"""Similarity: do two texts mean the same?"""
