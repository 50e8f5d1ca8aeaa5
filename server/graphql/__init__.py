"""GraphQL over HTTP: `endpoint` answers, `front` so below ASGI, `negotiation` finds the form, `streams` stay open."""
