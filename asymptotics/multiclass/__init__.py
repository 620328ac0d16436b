"""K classes in the proportional limit: square, softmax and nearest-mean probes (multiclass.md)."""
