"""What the acme_llama plug-in of the tests writes beside config.json: only its name and its bytes matter there."""


class AcmeForgatherConfig:
    model_type = "forgather-dynamic-causal-acme_llama"


class AcmeForgatherModel:
    config_class = AcmeForgatherConfig
