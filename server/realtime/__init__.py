"""GraphQL over WebSockets: `sockets` speak the protocol, `seats` watch cohorts, `wire` writes frames."""
