-- Every served response with what its user did after it (NULL: not known) and what was known before it: signals.labels joined with signals.features.
SELECT
  l.ds, l.turn_id, l.conversation_id, l.session_id, l.session_turn_index, l.user_id, l.source, l.split, l.model_version, l.surface,
  l.locale, l.language, l.depth_band, l.is_final, l.is_synthetic_time, l.response_ts, l.observed_until_ts,
  l.continued, l.replied_in_session, l.love, l.thumb_up, l.thumb_down, l.emoji_reaction, l.feedback, l.regenerated,
  coalesce(f.jtbd, '(unjudged)') AS jtbd, f.prior_sentiment, f.response_words, f.is_question
FROM signals.labels AS l
LEFT JOIN signals.features AS f
  ON f.turn_id = l.turn_id AND f.ds = l.ds
