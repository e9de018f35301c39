-- Landed lines of each received day: events kept, and lines rejected by reason.
SELECT ds, 'quarantined' AS fate, reason, count(*) AS lines
FROM traffic.quarantine
GROUP BY ds, reason
UNION ALL
SELECT received_ds AS ds, 'kept' AS fate, event_type AS reason, count(*) AS lines
FROM traffic.events
GROUP BY received_ds, event_type
