"""K-class probes on samples: the law, certified fits, and theory against simulation."""
