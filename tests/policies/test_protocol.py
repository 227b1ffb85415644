from marl.policies import Policy


def test_anything_with_a_name_and_decisions_is_a_policy():
    class Mine:
        name = "mine"
        trainable = False

        def decide(self, views):
            return []

    assert isinstance(Mine(), Policy)
    assert not isinstance(object(), Policy)
