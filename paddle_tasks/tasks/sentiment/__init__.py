"""Sentiment: is a review positive or negative?"""
