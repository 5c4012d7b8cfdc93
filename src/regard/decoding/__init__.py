"""From a trained model to what a user wants of it: outputs of a search, or a reading of whole texts.

    settings → constraints, penalty → greedy | beam | sample → batches, search → translator | completer
    texts → classifier | embedder; fill

Every search sees a model only through ``interface.Decodable``, so a recurrent or convolutional model decodes as the
Transformer does. This package imports nothing by itself: ``settings`` stays readable without loading torch.
"""
