-- Rate of each user signal by model version, job to be done, language, locale and depth. Counts only responses for which the signal is known, with a 95 % Wilson interval at the effective number of responses (users, not responses, are independent).
WITH by_user AS (
  SELECT
    source, model_version, jtbd, language, locale, depth_band, user_id, count(*) AS responses,
    count(continued) AS continued_known, sum(CASE WHEN continued THEN 1 ELSE 0 END) AS continued_true,
    count(replied_in_session) AS replied_in_session_known, sum(CASE WHEN replied_in_session THEN 1 ELSE 0 END) AS replied_in_session_true,
    count(love) AS love_known, sum(CASE WHEN love THEN 1 ELSE 0 END) AS love_true,
    count(thumb_up) AS thumb_up_known, sum(CASE WHEN thumb_up THEN 1 ELSE 0 END) AS thumb_up_true,
    count(thumb_down) AS thumb_down_known, sum(CASE WHEN thumb_down THEN 1 ELSE 0 END) AS thumb_down_true,
    count(emoji_reaction) AS emoji_reaction_known, sum(CASE WHEN emoji_reaction THEN 1 ELSE 0 END) AS emoji_reaction_true,
    count(feedback) AS feedback_known, sum(CASE WHEN feedback THEN 1 ELSE 0 END) AS feedback_true,
    count(regenerated) AS regenerated_known, sum(CASE WHEN regenerated THEN 1 ELSE 0 END) AS regenerated_true
  FROM views.signal_turns
  GROUP BY source, model_version, jtbd, language, locale, depth_band, user_id
), named AS (
  SELECT 'continued' AS signal
  UNION ALL SELECT 'replied_in_session' AS signal
  UNION ALL SELECT 'love' AS signal
  UNION ALL SELECT 'thumb_up' AS signal
  UNION ALL SELECT 'thumb_down' AS signal
  UNION ALL SELECT 'emoji_reaction' AS signal
  UNION ALL SELECT 'feedback' AS signal
  UNION ALL SELECT 'regenerated' AS signal
), asked AS (
  SELECT 'all' AS dimension
  UNION ALL SELECT 'model_version' AS dimension
  UNION ALL SELECT 'jtbd' AS dimension
  UNION ALL SELECT 'language' AS dimension
  UNION ALL SELECT 'locale' AS dimension
  UNION ALL SELECT 'depth_band' AS dimension
), each_user AS (
  SELECT
    u.source, a.dimension, s.signal, u.user_id,
    CASE a.dimension WHEN 'model_version' THEN model_version WHEN 'jtbd' THEN jtbd WHEN 'language' THEN language
      WHEN 'locale' THEN locale WHEN 'depth_band' THEN depth_band ELSE '(all)' END AS level,
    sum(u.responses) AS responses,
    sum(CASE s.signal WHEN 'continued' THEN continued_known WHEN 'replied_in_session' THEN replied_in_session_known WHEN 'love' THEN love_known WHEN 'thumb_up' THEN thumb_up_known WHEN 'thumb_down' THEN thumb_down_known WHEN 'emoji_reaction' THEN emoji_reaction_known WHEN 'feedback' THEN feedback_known WHEN 'regenerated' THEN regenerated_known END) AS n,
    sum(CASE s.signal WHEN 'continued' THEN continued_true WHEN 'replied_in_session' THEN replied_in_session_true WHEN 'love' THEN love_true WHEN 'thumb_up' THEN thumb_up_true WHEN 'thumb_down' THEN thumb_down_true WHEN 'emoji_reaction' THEN emoji_reaction_true WHEN 'feedback' THEN feedback_true WHEN 'regenerated' THEN regenerated_true END) AS k
  FROM by_user AS u
  CROSS JOIN named AS s
  CROSS JOIN asked AS a
  GROUP BY u.source, a.dimension, s.signal, u.user_id,
    CASE a.dimension WHEN 'model_version' THEN model_version WHEN 'jtbd' THEN jtbd WHEN 'language' THEN language
      WHEN 'locale' THEN locale WHEN 'depth_band' THEN depth_band ELSE '(all)' END
), summed AS (
  SELECT
    source, dimension, level, signal, sum(responses) AS responses, sum(n) AS known, sum(k) AS happened,
    sum(CASE WHEN n > 0 THEN 1 ELSE 0 END) AS users,
    CAST(sum(k) AS DOUBLE) / nullif(sum(n), 0) AS rate,
    CAST(sum(k * k) AS DOUBLE) AS kk, CAST(sum(k * n) AS DOUBLE) AS kn, CAST(sum(n * n) AS DOUBLE) AS nn
  FROM each_user
  GROUP BY source, dimension, level, signal
), varied AS (
  SELECT
    *, (kk - 2 * rate * kn + rate * rate * nn) / (1.0 * known * known) * users / (users - 1.0) AS variance
  FROM summed
  WHERE users > 1
), effective AS (
  SELECT
    v.*, CASE WHEN rate <= 0 OR rate >= 1 OR variance <= 0 THEN 1.0 * users ELSE least(1.0 * known, rate * (1 - rate) / variance) END AS n_effective
  FROM varied AS v
), wilson AS (
  SELECT
    s.source, s.dimension, s.level, s.signal, s.responses, s.known, s.happened, s.users, s.rate,
    (s.rate + 1.920729 / n_effective - 1.959964 * sqrt(s.rate * (1 - s.rate) / n_effective + 0.960365 / (n_effective * n_effective))) / (1 + 3.841459 / n_effective) AS low,
    (s.rate + 1.920729 / n_effective + 1.959964 * sqrt(s.rate * (1 - s.rate) / n_effective + 0.960365 / (n_effective * n_effective))) / (1 + 3.841459 / n_effective) AS high
  FROM summed AS s
  LEFT JOIN effective AS e
    ON e.source = s.source AND e.dimension = s.dimension AND e.level = s.level AND e.signal = s.signal
)
SELECT
  source, dimension, level, signal, responses, known, happened, users, rate,
  CASE WHEN low > 0 AND rate > 0 THEN low WHEN low IS NOT NULL THEN 0.0 END AS low,
  CASE WHEN high < 1 AND rate < 1 THEN high WHEN high IS NOT NULL THEN 1.0 END AS high
FROM wilson
