-- Counts for the bias report of section 3.5.5: one row per contrast, level, reaction, user, model version and day, with the number of production responses and of those that got the reaction. `flywheel signals bias` computes ratios with intervals from it.
WITH judged AS (
  SELECT
    ds, model_version, user_id, session_id, session_turn_index, jtbd, prior_sentiment, response_words, is_question,
    thumb_up, thumb_down,
    replied_in_session = FALSE AS is_last,
    count(*) OVER (PARTITION BY session_id) AS responses,
    min(session_turn_index) OVER (PARTITION BY session_id) AS first_index,
    max(CASE WHEN replied_in_session = FALSE THEN 1 ELSE 0 END) OVER (PARTITION BY session_id) AS has_ended
  FROM views.signal_turns
  WHERE source = 'user' AND is_final AND session_turn_index >= 1 AND thumb_up IS NOT NULL AND thumb_down IS NOT NULL
), asked AS (
  SELECT ds, model_version, user_id, 'positive_negative_ratio' AS bias, 'thumbs_by_jtbd' AS contrast, jtbd AS level,
    'up_among_thumbs' AS reaction, thumb_up AS hit
  FROM judged
  WHERE thumb_up <> thumb_down AND jtbd <> '(unjudged)'
  UNION ALL
  SELECT ds, model_version, user_id, 'ending_bias', 'up_among_thumbs', CASE WHEN is_last THEN 'last' ELSE 'earlier' END, 'up_among_thumbs', thumb_up
  FROM judged
  WHERE has_ended = 1 AND responses >= 2 AND thumb_up <> thumb_down
  UNION ALL
  SELECT ds, model_version, user_id, 'ending_bias', 'last_response', CASE WHEN is_last THEN 'last' ELSE 'earlier' END, 'thumb_up', thumb_up
  FROM judged
  WHERE has_ended = 1 AND responses >= 2
  UNION ALL
  SELECT j.ds, j.model_version, j.user_id, 'delayed_feedback', 'first_response',
    CASE WHEN j.session_turn_index = j.first_index THEN 'first' ELSE 'later' END, r.reaction,
    CASE WHEN r.reaction = 'thumb_up' THEN j.thumb_up ELSE j.thumb_down END
  FROM judged AS j
  CROSS JOIN (SELECT 'thumb_up' AS reaction UNION ALL SELECT 'thumb_down' AS reaction) AS r
  WHERE j.has_ended = 1 AND j.responses >= 3 AND NOT j.is_last
  UNION ALL
  SELECT ds, model_version, user_id, 'delayed_feedback', 'clarifying_question', CASE WHEN is_question THEN 'question' ELSE 'statement' END, 'thumb_up', thumb_up
  FROM judged
  WHERE is_question IS NOT NULL
  UNION ALL
  SELECT ds, model_version, user_id, 'delayed_feedback', 'long_response', CASE WHEN response_words >= 20 THEN 'long' ELSE 'short' END, 'thumb_up', thumb_up
  FROM judged
  WHERE response_words IS NOT NULL
  UNION ALL
  SELECT ds, model_version, user_id, 'prior_sentiment', 'positive_message', CASE WHEN prior_sentiment >= 0.05 THEN 'positive' ELSE 'negative' END, 'thumb_up', thumb_up
  FROM judged
  WHERE prior_sentiment >= 0.05 OR prior_sentiment <= -0.05
)
SELECT
  bias, contrast, level, reaction, model_version, ds, user_id, count(*) AS responses, sum(CASE WHEN hit THEN 1 ELSE 0 END) AS hits
FROM asked
GROUP BY bias, contrast, level, reaction, model_version, ds, user_id
