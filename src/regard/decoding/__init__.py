"""From a trained model to text: greedy search, beam search, sampling, and the translator of whole texts.

    settings → constraints, penalty → greedy | beam | sample → batches → translator

Every search sees a model only through ``interface.Decodable``, so a recurrent or convolutional model decodes as the
Transformer does. This package imports nothing by itself: ``settings`` stays readable without loading torch.
"""
